// What the operands of products are kept as. PAIR of them stand together along the sum, so that one
// instruction takes them in; sums are float32. Included once for each instruction set.

struct Float32 {
  typedef float Number;
  typedef V Row;
  static constexpr long PAIR = 1;
  static Number number(float x) { return x; }
  static V rounded(V x) { return x; }
  static V values(const Number* p) { return load(p); }
  static Row row(const Number* p) { return load(p); }
  static Row broadcast(const Number* p) { return same(*p); }
  static void keep(V x, Number* row) { store(row, x); }
  static V add(V a, Row x, Row y) { return a + x * y; }

  // Keep a vector of each of two rows: as rows, `apart` from one to the next, and from `column` on
  // with PAIR rows together, which here are the same.
  static void keep(V first, V second, Number* rows, long apart, Number*, long) {
    store(rows, first);
    store(rows + apart, second);
  }
  // Of two such arrays the one with PAIR rows together.
  static const Number* paired(const Number* rows, const Number*) { return rows; }
};

#ifdef NATIVE_BFLOAT16
struct BFloat16 {
  typedef uint16_t Number;
  typedef __m512bh Row;
  static constexpr long PAIR = 2;
  static Number number(float x) {
    return (Number)_mm_extract_epi16((__m128i)_mm_cvtneps_pbh(_mm_set_ss(x)), 0);
  }
  static V wide(__m256i x) { return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16); }
  static V rounded(V x) { return wide((__m256i)_mm512_cvtneps_pbh((__m512)x)); }
  static V values(const Number* p) { return wide(_mm256_loadu_si256((const __m256i*)p)); }
  static Row row(const Number* p) { return (Row)_mm512_loadu_si512(p); }
  static Row broadcast(const Number* p) {
    int pair;
    memcpy(&pair, p, 4);
    return (Row)_mm512_set1_epi32(pair);
  }
  static void keep(V x, Number* row) {
    _mm256_storeu_si256((__m256i*)row, (__m256i)_mm512_cvtneps_pbh((__m512)x));
  }
  static V add(V a, Row x, Row y) { return (V)_mm512_dpbf16_ps((__m512)a, x, y); }

  static void keep(V first, V second, Number* rows, long apart, Number* pairs_of_rows, long column) {
    __m256i a = (__m256i)_mm512_cvtneps_pbh((__m512)first);
    __m256i b = (__m256i)_mm512_cvtneps_pbh((__m512)second);
    _mm256_storeu_si256((__m256i*)rows, a);
    _mm256_storeu_si256((__m256i*)(rows + apart), b);
    __m512i pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(a),
                                    _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
    _mm512_storeu_si512(pairs_of_rows + 2 * column, pairs);
  }
  static const Number* paired(const Number*, const Number* pairs_of_rows) { return pairs_of_rows; }
};
#endif
