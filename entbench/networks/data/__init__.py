"""Data sets of the networks room; numpy alone, no torch."""

from entbench.networks.data._augment import augment
from entbench.networks.data._dataset import DataSet, split
from entbench.networks.data._mnist import MNIST, load_mnist
from entbench.networks.data._spiral import load_spiral
from entbench.networks.data._szt import load_szt

__all__ = ["MNIST", "DataSet", "augment", "load_mnist", "load_spiral", "load_szt", "split"]
