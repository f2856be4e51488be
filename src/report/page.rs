//! The frame of every page.

use super::palette;
use super::text::escaped;

const STYLE: &str = include_str!("page.css");

/// A page without external resources: the common style, one of its own, and what it shows. `title` is plain text, the
/// rest is markup.
pub(crate) fn page(title: &str, style: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>hyperq: {}</title>\n<style>\n{}{STYLE}{style}</style></head>\n<body>{content}</body></html>\n",
        escaped(title),
        palette::variables(),
    )
}
