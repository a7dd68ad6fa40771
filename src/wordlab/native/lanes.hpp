// Vectors of L floats, in GCC's and clang's vector extensions: one text for every instruction set.
// Included once for each set, inside a namespace that the compiler builds for that set.

template <int L> struct Lanes;
template <> struct Lanes<16> {
  typedef float Float __attribute__((vector_size(64), aligned(4), may_alias));
  typedef int32_t Int __attribute__((vector_size(64)));
};
template <> struct Lanes<8> {
  typedef float Float __attribute__((vector_size(32), aligned(4), may_alias));
  typedef int32_t Int __attribute__((vector_size(32)));
};
template <> struct Lanes<4> {
  typedef float Float __attribute__((vector_size(16), aligned(4), may_alias));
  typedef int32_t Int __attribute__((vector_size(16)));
};

typedef Lanes<LANES>::Float V;
typedef Lanes<LANES>::Int VI;

static inline V load(const float* p) { return *(const V*)p; }
static inline void store(float* p, V x) { *(V*)p = x; }
static inline V same(float x) { return x - V{}; }

// The first `count` of a vector's numbers, then zeros.
static inline V load_some(const float* p, long count) {
  if (count >= LANES) return load(p);
  float some[LANES] = {};
  for (long i = 0; i < count; i++) some[i] = p[i];
  return load(some);
}

static inline float sum(V x) {
  float total = 0;
  for (int i = 0; i < LANES; i++) total += x[i];
  return total;
}

// The larger or smaller of each; a NaN in x stays, so that it is seen at the end.
static inline V at_most(V x, float most) { return x > same(most) ? same(most) : x; }
static inline V at_least(V x, float least) { return x < same(least) ? same(least) : x; }

// exp(x) for x in [-87, 88], to 1e-7 of it: 2^round(x log2 e) times a polynomial of degree 7 of
// the rest (Cephes' expf). NaN stays NaN.
static inline V exponential(V x) {
  const V shift = same(12582912.0f);  // 1.5 2^23: adding it rounds to a whole number
  V shifted = x * same(1.44269504f) + shift;
  V whole = shifted - shift;
  V rest = x - whole * same(0.693359375f);
  rest = rest + whole * same(2.12194440e-4f);
  V p = same(1.9875691500e-4f);
  p = p * rest + same(1.3981999507e-3f);
  p = p * rest + same(8.3334519073e-3f);
  p = p * rest + same(4.1665795894e-2f);
  p = p * rest + same(1.6666665459e-1f);
  p = p * rest + same(5.0000001201e-1f);
  p = p * (rest * rest) + rest + same(1.0f);
  VI power = ((VI)shifted - (VI)shift + 127) << 23;
  return p * (V)power;
}
