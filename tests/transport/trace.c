/* Which ways through the module a fuzzed program took, for tests/transport/test_fanout_fuzz.py: the compiler calls
 * `__sanitizer_cov_trace_pc` at each of them (-fsanitize-coverage=trace-pc). Linked into the sanitized module alone.
 */
#include <stdint.h>

#if defined(__clang__)
#define UNTRACED __attribute__((no_sanitize("coverage", "address", "undefined")))
#else
#define UNTRACED __attribute__((no_sanitize_coverage, no_sanitize("address", "undefined")))
#endif

__attribute__((visibility("default"))) unsigned char fanout_trace[1 << 16];

UNTRACED void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0);
    unsigned char *times = &fanout_trace[(here ^ here >> 16) & 0xFFFF];
    if (*times < 255) ++*times;
}
