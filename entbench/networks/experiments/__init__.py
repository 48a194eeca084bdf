"""The papers' experiments on networks, one a file: what is measured, and what the paper claims."""

from entbench.networks.experiments.debate import InformationDebate
from entbench.networks.experiments.information_plane import InformationPlane
from entbench.networks.experiments.mnist_cnn import MNISTCNN
from entbench.networks.experiments.pruning import Pruning
from entbench.networks.experiments.shift import ShiftMNIST, ShiftSZT
from entbench.networks.experiments.single_neuron import SingleNeuron
from entbench.networks.experiments.spiral import Spiral
from entbench.networks.experiments.szt import SZT
from entbench.networks.experiments.two_neuron import TwoNeuron

__all__ = [
    "MNISTCNN",
    "SZT",
    "InformationDebate",
    "InformationPlane",
    "Pruning",
    "ShiftMNIST",
    "ShiftSZT",
    "SingleNeuron",
    "Spiral",
    "TwoNeuron",
]
