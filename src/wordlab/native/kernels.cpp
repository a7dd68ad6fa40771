// What PyTorch has no fast enough kernel for, in plain C functions for ctypes.
//
// The compiler builds each kernel for several instruction sets; `wordlab_best` says which of them
// this processor has. Nothing is allocated here: callers hand over the memory.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <omp.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

constexpr int MOST_THREADS = 256;

// Loss and gradients of a softmax layer: with p = softmax(x W' + b), one-hot targets y and a
// smoothing of 1 - share towards u,
//   nats = -ln p[target],  target_logits = (x W' + b)[target],  d_features = (p - share y) W,
//   d_weight = (p - share y - (1 - share) u)' x,  d_bias = the columns' sums of what x is weighed by,
// all three times `scale`. The loss of the smoothed target, and u's part of d_features, are left to
// the caller. The target's logit is what others are reckoned from: sums of exponentials are at least
// 1, their logarithm is the loss, and they overflow only where the loss is beyond 78 nats.
struct Problem {
  long rows, features, classes;
  const float *x, *weight, *bias;  // [rows, features], [classes, features], [classes]
  const int64_t* targets;          // [rows]
  const float *unigram, *feature_sums;  // u [classes], columns' sums of x [features]; or null
  float share, scale;
  int add;      // to what d_weight and d_bias hold already
  int threads;  // at most MOST_THREADS
  float *nats, *target_logits;              // [rows]
  float *d_features, *d_weight, *d_bias;    // as x, weight and bias; all null: not wanted
};

// What a softmax layer says of targets: with d = logits less the target's, and z = sum exp(d),
//   nats = ln z,  ranks = 1 + logits above the target's, or as large with a smaller class,
//   entropies = ln z - sum d exp(d) / z.
// Where z is too large or no number, the rank is 0 and the others are not written.
struct Judged {
  long rows, features, classes;
  const float *x, *weight, *bias;  // [rows, features], [classes, features], [classes]
  const int64_t* targets;          // [rows]
  double *nats, *entropies;        // [rows]; entropies null: not wanted
  int64_t* ranks;                  // [rows]
  int threads;                     // at most MOST_THREADS
};

static inline long up(long n, long multiple) { return (n + multiple - 1) / multiple * multiple; }

// Parts of one array of bytes, each beginning at a cache line; or, from nothing, how many they are.
struct Parts {
  char* memory;
  long used = 0;
  template <class T> T* take(long count) {
    char* part = memory + used;
    used = up(used + count * (long)sizeof(T), 64);
    return (T*)part;
  }
};

// Do the work of each of so many threads, all at once; false, and nothing is done, where the system
// gives fewer.
template <class Work> static bool in_threads(int threads, Work work) {
  bool given = true;
#pragma omp parallel num_threads(threads)
  if (omp_get_num_threads() == threads)
    work(omp_get_thread_num());
  else
    given = false;
  return given;
}

// Steps of gradient descent on a window tagger, h = tanh(W [L(w_1) .. L(w_places)] + b) and
// p = softmax(U h + c), one step for each `batch` of words in turn:
//   weights w of W and U: w - rate (dJ/dw + l2 w); others without the penalty;
// J is the nats of the batch's words, divided by their number where `mean` is set. A word whose tag
// is -1 adds nothing.
struct Window {
  long words, places, length, hidden, tags, batch;
  const int64_t *rows, *gold;  // [words, places], of the table; [words]
  const float* rates;          // of each step
  float l2;
  int mean;
  float *table, *w, *b, *u, *c;  // [.., length], [hidden, places length], [hidden], [tags, hidden]..
  double* nats;                  // of each step
};

// A layer of LSTM cells over sequences that are packed by time, longest first: `steps` of them have
// a word at each time. In blocks i, f, o (sigmoids) and g (tanh) of the gates, and with W [4 n, n],
//   gates = f(gates + W h),  c' = f c + i g,  h' = o tanh(c').
// On the way back d_outputs and d_cells are those of each token's h' and c', or null for zeros.
struct Lstm {
  long tokens, sequences, units, times;
  const int64_t* steps;                              // [times]
  const float *weight, *h, *c;                       // [4 n, n]; before the first words, [.., n]
  float *gates, *outputs, *cells, *tanhs, *before;   // [tokens, 4 n], then [tokens, n]
  const float *d_outputs, *d_cells;                  // [tokens, n]
  float *d_gates, *d_h, *d_c;                        // [tokens, 4 n], [sequences, n], [.., n]
  int threads;  // at most MOST_THREADS
};

namespace portable {
#define LANES 4    // of a vector
#define ROWS 6     // of a tile of logits, by two vectors
#define SUMS 6     // of a tile of sums,
#define VECTORS 2  // by so many vectors
#include "lanes.hpp"
#include "formats.hpp"
#include "sums.hpp"
#include "softmax.hpp"
#include "judgement.hpp"
#include "window.hpp"
#include "lstm.hpp"
#undef LANES
#undef ROWS
#undef VECTORS
}  // namespace portable

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86_SETS
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
#define ROWS 6
#define VECTORS 2
#include "lanes.hpp"
#include "formats.hpp"
#include "sums.hpp"
#include "softmax.hpp"
#include "judgement.hpp"
#include "window.hpp"
#include "lstm.hpp"
#undef LANES
#undef ROWS
#undef VECTORS
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")
namespace avx512 {
#define LANES 16
#define ROWS 12
#define VECTORS 4
#define NATIVE_BFLOAT16
#include "lanes.hpp"
#include "formats.hpp"
#include "sums.hpp"
#include "softmax.hpp"
#include "judgement.hpp"
#include "window.hpp"
#include "lstm.hpp"
}  // namespace avx512
#pragma GCC pop_options
#endif

extern "C" {

// The digest of the sources this was compiled from; see setup.py.
const char* wordlab_sources() { return WORDLAB_SOURCES; }

// The best instruction set of this processor: 0 portable, 1 AVX2, 2 AVX-512 with bfloat16.
int wordlab_best() {
#ifdef X86_SETS
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

// Bytes of memory that `wordlab_softmax` needs.
long wordlab_softmax_bytes(int set, int narrow, const Problem* p) {
#ifdef X86_SETS
  if (set == 2 && narrow) return avx512::softmax_bytes<avx512::BFloat16>(*p);
  if (set == 2) return avx512::softmax_bytes<avx512::Float32>(*p);
  if (set == 1) return avx2::softmax_bytes<avx2::Float32>(*p);
#endif
  return portable::softmax_bytes<portable::Float32>(*p);
}

// See `Problem`. 0: done; 1: a loss is beyond what this can work out, and nothing was written but
// perhaps losses and gradients of features; 2: threads were refused; 3: a target is no class.
int wordlab_softmax(int set, int narrow, const Problem* p, char* memory) {
#ifdef X86_SETS
  if (set == 2 && narrow) return avx512::softmax<avx512::BFloat16>(*p, memory);
  if (set == 2) return avx512::softmax<avx512::Float32>(*p, memory);
  if (set == 1) return avx2::softmax<avx2::Float32>(*p, memory);
#endif
  return portable::softmax<portable::Float32>(*p, memory);
}

// Bytes of memory that `wordlab_judge` needs.
long wordlab_judge_bytes(int set, const Judged* p) {
#ifdef X86_SETS
  if (set == 2) return avx512::Judgement(*p, Parts{nullptr}).bytes;
  if (set == 1) return avx2::Judgement(*p, Parts{nullptr}).bytes;
#endif
  return portable::Judgement(*p, Parts{nullptr}).bytes;
}

// See `Judged`. 0: done; 2: threads were refused; 3: a target is no class.
int wordlab_judge(int set, const Judged* p, char* memory) {
#ifdef X86_SETS
  if (set == 2) return avx512::judge(*p, memory);
  if (set == 1) return avx2::judge(*p, memory);
#endif
  return portable::judge(*p, memory);
}

// Bytes of memory that `wordlab_lstm` needs.
long wordlab_lstm_bytes(int set, int narrow, const Lstm* p) {
#ifdef X86_SETS
  if (set == 2 && narrow) return avx512::lstm_bytes<avx512::BFloat16>(*p);
  if (set == 2) return avx512::lstm_bytes<avx512::Float32>(*p);
  if (set == 1) return avx2::lstm_bytes<avx2::Float32>(*p);
#endif
  return portable::lstm_bytes<portable::Float32>(*p);
}

// See `Lstm`; forward, or back. 0: done; 1: threads were refused.
int wordlab_lstm(int set, int narrow, const Lstm* p, char* memory, int back) {
#ifdef X86_SETS
  if (set == 2 && narrow) return avx512::lstm<avx512::BFloat16>(*p, memory, back);
  if (set == 2) return avx512::lstm<avx512::Float32>(*p, memory, back);
  if (set == 1) return avx2::lstm<avx2::Float32>(*p, memory, back);
#endif
  return portable::lstm<portable::Float32>(*p, memory, back);
}

// Bytes of memory that `wordlab_window` needs.
long wordlab_window_bytes(int set, const Window* p) {
#ifdef X86_SETS
  if (set == 2) return avx512::WindowNet(*p, Parts{nullptr}).bytes;
  if (set == 1) return avx2::WindowNet(*p, Parts{nullptr}).bytes;
#endif
  return portable::WindowNet(*p, Parts{nullptr}).bytes;
}

// See `Window`.
void wordlab_window(int set, const Window* p, char* memory) {
#ifdef X86_SETS
  if (set == 2) return avx512::WindowNet(*p, Parts{memory}).train();
  if (set == 1) return avx2::WindowNet(*p, Parts{memory}).train();
#endif
  portable::WindowNet(*p, Parts{memory}).train();
}

}  // extern "C"
