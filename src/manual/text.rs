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

/// What opens a paragraph that states one fact of an entry.
const LABELS: [&str; 6] = ["Reads:", "Cost:", "Needs:", "Absent tasks:", "Deviations:", "Reference:"];

/// The paragraph of a description that `label` opens, such as `Reads:`, without it.
pub fn labelled(description: &str, label: &str) -> Option<String> {
    let mut texts = blocks(description).into_iter();
    texts.find_map(|block| match block {
        Block::Text(text) => text.strip_prefix(label).map(|rest| rest.trim().to_string()),
        _ => None,
    })
}

/// A part of a description.
enum Block {
    Blank,
    /// A line that stays as it is.
    Code(String),
    /// A paragraph or an item of a list.
    Text(String),
}

fn is_item(text: &str) -> bool {
    text.starts_with("- ") || text.starts_with("* ")
}

fn is_labelled(text: &str) -> bool {
    LABELS.iter().any(|label| text.starts_with(label))
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut code = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            code = !code;
        } else if code {
            blocks.push(Block::Code(line.into()));
        } else if trimmed.is_empty() {
            blocks.push(Block::Blank);
        } else {
            match blocks.last_mut() {
                Some(Block::Text(text)) if !is_item(trimmed) && !is_labelled(trimmed) => {
                    *text += &format!(" {trimmed}")
                }
                _ => blocks.push(Block::Text(trimmed.into())),
            }
        }
    }
    blocks
}

/// Paragraphs filled to `width` columns. List items and labelled paragraphs keep lines of their own, the latter without
/// blank lines between them; fenced code stays as it is, and code in a sentence is not broken where a line can hold it.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut labelled = false; // whether the last text was
    for block in blocks(text) {
        match block {
            Block::Blank => out.push(String::new()),
            Block::Code(line) => out.push(format!("  {line}")),
            Block::Text(text) => {
                let label = is_labelled(&text);
                if label && labelled && out.last().is_some_and(String::is_empty) {
                    out.pop();
                }
                labelled = label;
                fill(&text, width, if label || is_item(&text) { "  " } else { "" }, &mut out);
            }
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.iter().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// Puts a paragraph behind `out`, all its lines but the first moved by `hang`.
fn fill(text: &str, width: usize, hang: &str, out: &mut Vec<String>) {
    let mut line = String::new();
    for word in words(text, width - hang.len()) {
        if line.is_empty() {
            line = word;
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            out.push(std::mem::replace(&mut line, format!("{hang}{word}")));
        }
    }
    out.push(line);
}

/// The words of a paragraph, code between backticks as one word where it is not wider than a line.
fn words(text: &str, width: usize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if inside && last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.into()),
        }
        if word.matches('`').count() % 2 == 1 {
            inside = !inside;
        }
    }
    words
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

    #[test]
    fn code_in_a_sentence_stays_on_one_line_where_a_line_can_hold_it() {
        assert_eq!(wrap("the sum `w ≥ 0` of\n`a + b\n+ c` here", 12), "the sum\n`w ≥ 0` of\n`a + b + c`\nhere\n");
        assert_eq!(wrap("`one two three`, four", 10), "`one two\nthree`,\nfour\n");
    }

    #[test]
    fn labelled_paragraphs_follow_each_other_and_hang() {
        let text = "One.\n\nReads: losses, all\nof them.\n\nCost: one. Cost:\n\nReference: none.\nTwo.\n\nThree.";
        let wrapped = "One.\n\nReads: losses,\n  all of them.\nCost: one. Cost:\nReference: none.\n  Two.\n\nThree.\n";
        assert_eq!(wrap(text, 16), wrapped);
        assert_eq!(labelled(text, "Reads:").as_deref(), Some("losses, all of them."));
        assert_eq!(labelled(text, "Needs:"), None);
    }
}
