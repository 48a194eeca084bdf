/* Dense Gaussian kernel sums as one would write them in C.

   Plain loops that gcc vectorises, calling libmvec for the kernel. Kernels are in single precision,
   sums across tiles in double. No maximum is subtracted: the caller sees to it that no kernel
   leaves the normal numbers (there libmvec is slow, and `polynomial` wrong).

   Set by -D when compiled:
     DIM       dimension
     POWER     expf (coordinates in units of sigma sqrt 2), exp2f or polynomial (sigma sqrt(2 ln 2))
     EXPANDED  1: |x|^2 + |c|^2 - 2 x.c, a product an axis; 0: sum of squared differences
*/
#include <math.h>
#include <string.h>

#define BLOCK 4   /* queries that share one read of the centres */
#define TILE 1024 /* centres whose kernels are summed in single precision */

/* 2^x by a Chebyshev fit of 2^f on [-1/2, 1/2], relative error 1e-7, and whole exponents as bits */
static inline float polynomial(float x) {
    float whole = __builtin_rintf(x), f = x - whole;
    float p = 9.6754597e-3f + f * 1.3266970e-3f;
    int bits;
    p = 1.0f + f * (0.69314695f + f * (0.24022122f + f * (5.5507426e-2f + f * p)));
    memcpy(&bits, &p, sizeof bits);
    bits += (int)whole << 23;
    memcpy(&p, &bits, sizeof bits);
    return p;
}

/* Write ln of the sums. queries: m rows of DIM, m a multiple of BLOCK; centres: DIM rows of n;
   minus_squares: -|c_j|^2 */
void log_kernel_sums(const float *restrict queries, long m, const float *restrict centres,
                     const float *restrict minus_squares, long n, int threads,
                     double *restrict out) {
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
    for (long i = 0; i < m; i += BLOCK) {
        double total[BLOCK] = {0.0};
        float x[BLOCK][DIM], own[BLOCK];
        for (int b = 0; b < BLOCK; b++) {
            own[b] = 0.0f;
            for (int a = 0; a < DIM; a++) {
                float q = queries[(i + b) * DIM + a];
                own[b] -= q * q;
                x[b][a] = EXPANDED ? 2.0f * q : q;
            }
        }
        for (long start = 0; start < n; start += TILE) {
            long stop = n - start < TILE ? n : start + TILE;
            float sum[BLOCK] = {0.0f};
            for (long j = start; j < stop; j++) {
#pragma GCC unroll 4
                for (int b = 0; b < BLOCK; b++) {
                    float power = EXPANDED ? own[b] + minus_squares[j] : 0.0f;
                    for (int a = 0; a < DIM; a++) {
                        float c = centres[a * n + j], difference = x[b][a] - c;
                        power += EXPANDED ? x[b][a] * c : -difference * difference;
                    }
                    sum[b] += POWER(power);
                }
            }
            for (int b = 0; b < BLOCK; b++) total[b] += sum[b];
        }
        for (int b = 0; b < BLOCK; b++) out[i + b] = log(total[b]);
    }
}
