/* What the shim needs of memory, text, numbers and time: the other half of libc.c, which has no kernel in it and is tested beside glibc. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- memory and text ---- */

/* Eight bytes at a time, here and in memchr: an agent's whole output goes through them. */
void *memcpy(void *to, const void *from, size_t n)
{
  char *p = to;
  const char *q = from;
  for (uint64_t word; n >= sizeof word; p += sizeof word, q += sizeof word, n -= sizeof word) {
    __builtin_memcpy(&word, q, sizeof word);
    __builtin_memcpy(p, &word, sizeof word);
  }
  while (n--)
    *p++ = *q++;
  return to;
}

void *memset(void *to, int byte, size_t n)
{
  for (char *p = to; n; n--)
    *p++ = (char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
  const unsigned char *p = a, *q = b;
  for (; n; n--, p++, q++)
    if (*p != *q)
      return *p - *q;
  return 0;
}

/* A word holds a zero byte when a borrow says so. */
void *memchr(const void *text, int byte, size_t n)
{
  const uint64_t ones = 0x0101010101010101, wanted = ones * (unsigned char)byte;
  const char *p = text;
  for (uint64_t word; n >= sizeof word; p += sizeof word, n -= sizeof word) {
    __builtin_memcpy(&word, p, sizeof word);
    word ^= wanted;
    if ((word - ones) & ~word & ones << 7)
      break;
  }
  for (; n; n--, p++)
    if (*p == (char)byte)
      return (void *)(uintptr_t)p;
  return NULL;
}

size_t strlen(const char *text)
{
  size_t n = 0;
  while (text[n])
    n++;
  return n;
}

char *strchr(const char *text, int c)
{
  for (; *text != (char)c; text++)
    if (!*text)
      return NULL;
  return (char *)(uintptr_t)text;
}

char *strrchr(const char *text, int c)
{
  const char *last = NULL;
  for (const char *p = strchr(text, c); p; p = *p ? strchr(p + 1, c) : NULL)
    last = p;
  return (char *)(uintptr_t)last;
}

size_t strcspn(const char *text, const char *ends)
{
  size_t n = 0;
  while (text[n] && !strchr(ends, text[n]))
    n++;
  return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
  for (; n && *a && *a == *b; n--)
    a++, b++;
  return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
  return strncmp(a, b, SIZE_MAX);
}

char *strcpy(char *to, const char *from)
{
  return memcpy(to, from, strlen(from) + 1);
}

/* Those that writing to a log meets. */
char *strerror(int number)
{
  static const struct {
    int number;
    const char *text;
  } known[] = {{ENOSPC, "No space left on device"}, {EDQUOT, "Disk quota exceeded"},       {EIO, "Input/output error"},
               {EROFS, "Read-only file system"},    {ENOENT, "No such file or directory"}, {EMFILE, "Too many open files"},
               {EACCES, "Permission denied"}};
  static char other[32];
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].number == number)
      return (char *)(uintptr_t)known[i].text;
  snprintf(other, sizeof other, "error %d", number);
  return other;
}

/* ---- numbers ---- */

/* Decimal only, whatever @base says. */
unsigned long long strtoull(const char *text, char **end, int base)
{
  (void)base;
  const char *p = text;
  unsigned long long value = 0;
  for (; *p >= '0' && *p <= '9'; p++)
    if (__builtin_mul_overflow(value, 10ULL, &value) || __builtin_add_overflow(value, (unsigned long long)(*p - '0'), &value)) {
      value = ULLONG_MAX;
      errno = ERANGE;
    }
  if (end)
    *end = (char *)(uintptr_t)p;
  return value;
}

unsigned long strtoul(const char *text, char **end, int base)
{
  return strtoull(text, end, base);
}

long strtol(const char *text, char **end, int base)
{
  const char *p = text;
  while (*p == ' ')
    p++;
  bool minus = *p == '-';
  p += *p == '-' || *p == '+';
  char *rest;
  unsigned long value = strtoull(p, &rest, base);
  if (end)
    *end = rest == p ? (char *)(uintptr_t)text : rest;
  if (value > LONG_MAX) {
    value = LONG_MAX;
    errno = ERANGE;
  }
  return minus ? -(long)value : (long)value;
}

/* ---- printing ---- */

typedef struct Print {
  char *to;
  size_t room, length; /* what would have been written */
} Print;

static void print_byte(Print *print, char c)
{
  if (print->length + 1 < print->room)
    print->to[print->length] = c;
  print->length++;
}

static void print_number(Print *print, unsigned long long value, bool minus, int width)
{
  char digits[24];
  int n = 0;
  do
    digits[n++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  if (minus)
    print_byte(print, '-');
  for (int i = n; i < width; i++)
    print_byte(print, '0');
  while (n > 0)
    print_byte(print, digits[--n]);
}

static void print_text(Print *print, const char *text, int most)
{
  for (; *text && most != 0; text++, most--)
    print_byte(print, *text);
}

/* The number that a conversion with @longs times 'l' takes. */
#define PRINT_TAKE(args, longs, kind)                                                                                                      \
  ((longs) == 0 ? va_arg(*(args), kind int) : (longs) == 1 ? va_arg(*(args), kind long) : va_arg(*(args), kind long long))

/* One conversion at @p, behind its percent sign: [0][width][.*][l[l]]d, u or s. Returns what follows it. */
static const char *print_one(Print *print, const char *p, va_list *args)
{
  char *end;
  int width = (int)strtoull(p, &end, 10), most = -1, longs = 0;
  p = end;
  if (p[0] == '.' && p[1] == '*') {
    most = va_arg(*args, int);
    p += 2;
  }
  for (; *p == 'l'; p++)
    longs++;
  if (*p == 's')
    print_text(print, va_arg(*args, const char *), most);
  if (*p == 'u')
    print_number(print, PRINT_TAKE(args, longs, unsigned), false, width);
  if (*p == 'd') {
    long long value = PRINT_TAKE(args, longs, signed);
    print_number(print, value < 0 ? -(unsigned long long)value : (unsigned long long)value, value < 0, width);
  }
  return p + 1;
}

int vsnprintf(char *to, size_t room, const char *format, va_list args)
{
  Print print = {.to = to, .room = room};
  va_list mine;
  va_copy(mine, args);
  for (const char *p = format; *p;) {
    if (*p == '%') {
      p = print_one(&print, p + 1, &mine);
    } else {
      print_byte(&print, *p++);
    }
  }
  va_end(mine);
  if (room > 0)
    to[print.length < room ? print.length : room - 1] = '\0';
  return (int)print.length;
}

int snprintf(char *to, size_t room, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(to, room, format, args);
  va_end(args);
  return n;
}

/* ---- time ---- */

/* Years from March on, in eras of 400: their days are counted without a table. After 1970 only; no day of the week or year. */
struct tm *gmtime_r(const time_t *time, struct tm *out)
{
  enum { DAY = 86400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468 };
  long days = *time / DAY + DAYS_TO_1970, second = *time % DAY;
  long era = days / ERA_DAYS, of_era = days % ERA_DAYS;
  long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  long of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  *out = (struct tm){.tm_sec = (int)(second % 60), .tm_min = (int)(second / 60 % 60), .tm_hour = (int)(second / 3600)};
  out->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
  out->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
  out->tm_year = (int)(year + era * 400 + (month >= 10) - 1900);
  return out;
}
