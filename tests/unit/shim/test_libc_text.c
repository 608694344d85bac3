/* shim/libc_text.c beside the C library that is there: the same answers for what the shim asks. */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Under names of its own, so that both can be called. */
#define memcpy    ours_memcpy
#define memset    ours_memset
#define memcmp    ours_memcmp
#define memchr    ours_memchr
#define strlen    ours_strlen
#define strchr    ours_strchr
#define strrchr   ours_strrchr
#define strcspn   ours_strcspn
#define strncmp   ours_strncmp
#define strcmp    ours_strcmp
#define strcpy    ours_strcpy
#define strerror  ours_strerror
#define strtoull  ours_strtoull
#define strtoul   ours_strtoul
#define strtol    ours_strtol
#define vsnprintf ours_vsnprintf
#define snprintf  ours_snprintf
#define gmtime_r  ours_gmtime_r
int snprintf(char *to, size_t room, const char *format, ...); /* called before it is defined */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "shim/libc_text.c"
#undef memcpy
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strchr
#undef strrchr
#undef strcspn
#undef strncmp
#undef strcmp
#undef strcpy
#undef strerror
#undef strtoull
#undef strtoul
#undef strtol
#undef vsnprintf
#undef snprintf
#undef gmtime_r

static void test_memory(void)
{
  char a[64], b[64];
  for (int round = 0; round < 20000; round++) {
    for (size_t i = 0; i < sizeof a; i++)
      a[i] = (char)g_random_int_range(-128, 128);
    size_t from = (size_t)g_random_int_range(0, 16), n = (size_t)g_random_int_range(0, 48);
    int byte = g_random_int_range(0, 256);
    g_assert_true(ours_memchr(a + from, byte, n) == memchr(a + from, byte, n));
    g_assert_true(ours_memcpy(b + from, a + from, n) == b + from);
    g_assert_cmpint(memcmp(a + from, b + from, n), ==, 0);
    g_assert_cmpint(ours_memcmp(a + from, b + from, n), ==, 0);
    ours_memset(b, byte, sizeof b);
    g_assert_true((unsigned char)b[0] == byte && (unsigned char)b[63] == byte);
    g_assert_cmpint(CLAMP(ours_memcmp(a, b, sizeof a), -1, 1), ==, CLAMP(memcmp(a, b, sizeof a), -1, 1));
  }
}

static void test_text(void)
{
  static const char *const texts[] = {"", "a", "ab", "start attempt=7", "1 (a) b) R 2", "PATH=/bin:/usr/bin", ":", "\xff\x01"};
  char *volatile copy = g_malloc(64); /* volatile: gcc guesses at the length of what it can see and warns */
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_assert_cmpuint(ours_strlen(texts[i]), ==, strlen(texts[i]));
    g_assert_cmpuint(ours_strcspn(texts[i], " :"), ==, strcspn(texts[i], " :"));
    for (int c = 0; c < 128; c++) {
      g_assert_true(ours_strchr(texts[i], c) == strchr(texts[i], c));
      g_assert_true(ours_strrchr(texts[i], c) == strrchr(texts[i], c));
    }
    for (size_t j = 0; j < G_N_ELEMENTS(texts); j++) {
      g_assert_cmpint(CLAMP(ours_strcmp(texts[i], texts[j]), -1, 1), ==, CLAMP(strcmp(texts[i], texts[j]), -1, 1));
      g_assert_cmpint(CLAMP(ours_strncmp(texts[i], texts[j], 1), -1, 1), ==, CLAMP(strncmp(texts[i], texts[j], 1), -1, 1));
    }
    g_assert_cmpstr(ours_strcpy(copy, texts[i]), ==, texts[i]);
  }
  g_assert_cmpstr(ours_strerror(ENOSPC), ==, strerror(ENOSPC));
  g_assert_cmpstr(ours_strerror(EDOM), ==, "error 33");
  g_free(copy);
}

static void test_numbers(void)
{
  static const char *const texts[] = {"",   "0",   "7x",         " 12",        "-5",         "-",
                                      "+3", "x12", "2147483647", "2147483648", "4294967296", "9223372036854775807",
                                      "99", "1 2", "007",        "-12 ",       "+",          "9223372036854775808"};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    char *ours, *theirs;
    errno = 0;
    long value = ours_strtol(texts[i], &ours, 10);
    int e = errno;
    errno = 0;
    g_assert_cmpint(value, ==, strtol(texts[i], &theirs, 10));
    g_assert_true(ours == theirs);
    g_assert_cmpint(e, ==, errno);
  }
  errno = 0;
  g_assert_true(ours_strtoull("18446744073709551615", NULL, 10) == ULLONG_MAX && errno == 0);
  g_assert_true(ours_strtoull("99999999999999999999", NULL, 10) == ULLONG_MAX && errno == ERANGE);
}

/* Every conversion that the shim uses, whole and cut. */
static void test_printing(void)
{
  static const int ints[] = {0, 7, -1, 42, INT_MAX, INT_MIN};
  for (size_t room = 0; room < 80; room += 7)
    for (size_t i = 0; i < G_N_ELEMENTS(ints); i++) {
      char ours[128] = "", theirs[128] = "";
      int n = ours_snprintf(ours, room, "%s=%d %ld %llu %.*s/%s;", "x", ints[i], (long)ints[i] * 3, 1ULL << 60, 2, "abc", "");
      int m = snprintf(theirs, room, "%s=%d %ld %llu %.*s/%s;", "x", ints[i], (long)ints[i] * 3, 1ULL << 60, 2, "abc", "");
      g_assert_cmpint(n, ==, m);
      g_assert_cmpstr(ours, ==, theirs);
    }
  char ours[64];
  ours_snprintf(ours, sizeof ours, "%04d-%02d-%02dT.%03dZ", 2026, 1, 31, 7);
  g_assert_cmpstr(ours, ==, "2026-01-31T.007Z");
}

static void test_time(void)
{
  for (time_t at = 0; at < 8000000000; at += 86400 / 2 + 12345) {
    struct tm ours, theirs;
    ours_gmtime_r(&at, &ours);
    gmtime_r(&at, &theirs);
    g_assert_true(ours.tm_year == theirs.tm_year && ours.tm_mon == theirs.tm_mon && ours.tm_mday == theirs.tm_mday);
    g_assert_true(ours.tm_hour == theirs.tm_hour && ours.tm_min == theirs.tm_min && ours.tm_sec == theirs.tm_sec);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/libc-text/memory", test_memory);
  g_test_add_func("/libc-text/text", test_text);
  g_test_add_func("/libc-text/numbers", test_numbers);
  g_test_add_func("/libc-text/printing", test_printing);
  g_test_add_func("/libc-text/time", test_time);
  return g_test_run();
}
