/* The only C++ here: toml++ behind one C function; exceptions off. */
#define TOML_EXCEPTIONS  0
#define TOML_HEADER_ONLY 1
/* Its parser asserts what a file may well break ("[{": a header that begins with a brace), then looks for it and reports it all the same. */
#define TOML_ASSERT(expr) static_cast<void>(0)
#include "formats/toml_shim.h"

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <toml++/toml.h>

static char *copy_text(const std::string &text)
{
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

extern "C" char *toml_to_json(const char *text, unsigned long length, int *line, int *column, char **message)
{
  toml::parse_result result = toml::parse(std::string_view(text, length));
  if (!result) {
    *line = static_cast<int>(result.error().source().begin.line);
    *column = static_cast<int>(result.error().source().begin.column);
    *message = copy_text(std::string(result.error().description()));
    return nullptr;
  }
  std::ostringstream out;
  out << toml::json_formatter{result.table()};
  return copy_text(out.str());
}

/* The place of @name in @table: of the key, since that is what a reader looks for; of the table for a section. */
static toml::source_position place_of(const toml::table &table, std::string_view name)
{
  for (const auto &[key, value] : table)
    if (key.str() == name)
      return value.is_table() && !value.as_table()->is_inline() ? value.source().begin : key.source().begin;
  return {};
}

extern "C" void toml_where(const char *text, unsigned long length, const char *const *path, int *line, int *column)
{
  *line = *column = 0;
  toml::parse_result result = toml::parse(std::string_view(text, length));
  const toml::table *table = result ? &result.table() : nullptr;
  for (; table && *path; path++) {
    toml::source_position place = place_of(*table, *path);
    if (!place)
      return;
    *line = static_cast<int>(place.line);
    *column = static_cast<int>(place.column);
    const toml::node *next = table->get(*path);
    table = next ? next->as_table() : nullptr;
  }
}
