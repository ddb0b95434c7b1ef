//! Doc comments as plain text of a given width.

/// The first sentence of a description.
pub fn first_sentence(description: &str) -> String {
    let text = plain(description.split("\n\n").next().unwrap_or_default()).replace('\n', " ");
    let mut from = 0;
    while let Some(dot) = text[from..].find(". ").map(|dot| from + dot) {
        let word = text[..dot].rsplit(' ').next().unwrap_or_default();
        if !matches!(word, "e.g" | "i.e" | "cf" | "al" | "vs" | "approx") {
            return text[..=dot].to_string();
        }
        from = dot + 2;
    }
    text
}

/// Without the marks of links: `` [`mse`](Mse) `` becomes `` `mse` ``.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("[`") {
        out += &rest[..start];
        let inside = &rest[start + 1..];
        let Some(end) = inside.find("`]") else {
            rest = inside;
            out.push('[');
            continue;
        };
        out += &inside[..=end];
        rest = &inside[end + 2..];
        if let Some(target) = rest.strip_prefix('(') {
            rest = target.split_once(')').map_or(rest, |(_, after)| after);
        }
    }
    out + rest
}

/// Paragraphs filled to `width` columns; list items keep lines of their own, fenced code stays as it is.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut open = false; // whether the last line may take more words
    let mut code = false;
    let mut hang = "";
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            code = !code;
            open = false;
            continue;
        }
        if code {
            out.push(format!("  {line}"));
            continue;
        }
        if trimmed.is_empty() {
            out.push(String::new());
            open = false;
            continue;
        }
        let item = trimmed.starts_with("- ") || trimmed.starts_with("* ");
        if item || !open {
            hang = if item { "  " } else { "" };
            out.push(String::new());
        }
        for word in trimmed.split_whitespace() {
            let last = out.last_mut().expect("a line was pushed above");
            if last.is_empty() {
                last.push_str(word);
            } else if last.chars().count() + 1 + word.chars().count() <= width {
                last.push(' ');
                last.push_str(word);
            } else {
                out.push(format!("{hang}{word}"));
            }
        }
        open = true;
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.iter().map(|line| line.trim_end().to_string() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_at_a_full_stop_that_ends_a_sentence() {
        assert_eq!(first_sentence("Adds, e.g. losses, of\ntasks. More.\n\nEven more."), "Adds, e.g. losses, of tasks.");
        assert_eq!(first_sentence("No stop"), "No stop");
        assert_eq!(first_sentence(""), "");
    }

    #[test]
    fn links_lose_their_marks() {
        assert_eq!(plain("see [`Mse`](crate::Mse), [`read`] and a[0]"), "see `Mse`, `read` and a[0]");
    }

    #[test]
    fn paragraphs_are_filled_and_lists_and_code_keep_their_lines() {
        let text = "one two\nthree four\n\n- five six seven\n- eight\n```text\na    b\n```\n";
        assert_eq!(wrap(text, 13), "one two three\nfour\n\n- five six\n  seven\n- eight\n  a    b\n");
    }
}
