//! Text that GitHub-flavored Markdown shows as it is.

use super::is_unprintable;

/// Text for a cell of a Markdown table or another line of prose: what Markdown would interpret is
/// escaped, and nothing else, so that `learning_rate=0.01`, `task1/accuracy` and `0.5 [0.4, 0.6]`
/// stay readable in the source. A line break becomes `<br>`; other control characters are shown as
/// escapes.
///
/// Marks of blocks, such as `#` and `>`, mean nothing within a line; a dollar opens a formula on
/// GitHub.
///
/// Reference: GitHub Flavored Markdown Spec, version 0.29, sections 2.4 (backslash escapes), 4.10
/// (tables), 6 (inlines).
pub fn literal(text: &str) -> String {
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + letter.len_utf8()..]);
        match letter {
            '\r' if after.starts_with('\n') => {}
            '\r' | '\n' => out += "<br>",
            _ if is_unprintable(letter) => out += &literal(&letter.escape_default().to_string()),
            _ => {
                if is_interpreted(before, letter, after) {
                    out.push('\\');
                }
                out.push(letter);
            }
        }
    }
    out
}

/// Whether Markdown would read a letter between these as a mark.
fn is_interpreted(before: &str, letter: char, after: &str) -> bool {
    match letter {
        '\\' | '`' | '*' | '~' | '|' | '$' => true,
        // Underscores within a word are letters like others.
        '_' => {
            let (before, after) = (before.trim_end_matches('_'), after.trim_start_matches('_'));
            !(before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric))
        }
        // A tag, a comment, an address in angle brackets.
        '<' => !after.starts_with(char::is_whitespace) && after.contains('>'),
        // What closes the text of a link, and not an interval.
        ']' => after.starts_with('('),
        // A footnote.
        '[' => after.starts_with('^'),
        '&' => starts_entity(after),
        // Bare addresses.
        ':' => after.starts_with("//"),
        '.' => before.ends_with("www"),
        _ => false,
    }
}

/// Whether an ampersand before this opens an entity such as `&lt;` or `&#60;`.
fn starts_entity(after: &str) -> bool {
    let name = after.strip_prefix('#').unwrap_or(after);
    let end = name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(name.len());
    end > 0 && name[end..].starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::literal;

    /// What stands in nearly every cell looks the same in the source.
    #[test]
    fn ordinary_cells_stay_as_they_are() {
        for cell in [
            "method=cagrad",
            "learning_rate=0.01",
            "task1/accuracy",
            "0.5 ± 0.1 [0.4, 0.6]",
            "+0.02 [−0.01, 0.05] (n = 3)",
            "cagrad__c=0.4,clip_norm=1",
            "constant, all 9 trials †",
            "spread (Deb's Δ)",
            "100 % – of 3 #2 > 1 & p < 0.05, p<0.01",
            "größe_über",
        ] {
            assert_eq!(literal(cell), cell);
        }
    }

    /// Each beside what `comrak` (GitHub-flavored Markdown in Rust) shows literally.
    #[test]
    fn what_markdown_would_interpret_is_escaped() {
        for (text, escaped) in [
            ("a|b", r"a\|b"),
            (r"a\|b\", r"a\\\|b\\"),
            ("*a* **b**", r"\*a\* \*\*b\*\*"),
            ("_a_ __b__ a_b_ _", r"\_a\_ \_\_b\_\_ a_b\_ \_"),
            ("`code`", r"\`code\`"),
            ("<b> </b> <!-- --> <1@b.c>", r"\<b> \</b> \<!-- --> \<1@b.c>"),
            ("[x](y) ![x](y) [^x]", r"[x\](y) ![x\](y) \[^x]"),
            ("~~a~~ ~b~", r"\~\~a\~\~ \~b\~"),
            ("&lt; &#60; &#x3c; a&b", r"\&lt; \&#60; \&#x3c; a&b"),
            ("https://a.b/_c_ www.a.b", r"https\://a.b/\_c\_ www\.a.b"),
            ("$a$", r"\$a\$"),
            ("a\nb\r\nc\rd", "a<br>b<br>c<br>d"),
            ("a\tb\u{1b}[31m\u{2028}", r"a\\tb\\u{1b}[31m\\u{2028}"),
        ] {
            assert_eq!(literal(text), escaped, "{text:?}");
        }
    }
}
