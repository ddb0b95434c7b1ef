//! Text that LaTeX typesets as it is.

use super::is_unprintable;

/// Text as LaTeX takes it. Control characters, which it refuses, and line breaks, which it takes
/// for spaces and paragraphs, are shown as escapes.
pub fn literal(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(letter);
            }
            // Two of them are a ligature.
            '-' if letters.peek() == Some(&'-') => out += "-{}",
            _ if is_unprintable(letter) => out += &literal(&letter.escape_default().to_string()),
            _ => match command(letter) {
                Some(command) => out += command,
                None => out.push(letter),
            },
        }
    }
    out
}

/// What typesets a letter that stands for something else, or that the usual fonts lack.
fn command(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\\' => "\\textbackslash{}",
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '|' => "\\textbar{}",
        '`' => "\\textasciigrave{}",
        '±' => "$\\pm$",
        'Δ' => "$\\Delta$",
        '×' => "$\\times$",
        '–' => "--",
        '−' => "$-$",
        '†' => "$\\dagger$",
        '‡' => "$\\ddagger$",
        '§' => "\\S{}",
        '²' => "$^2$",
        '<' => "$<$",
        '>' => "$>$",
        _ => return None,
    })
}

/// A row of cells that are [`literal`]. A bracket or star that opens it would be an argument of the
/// line before.
pub fn row(cells: &[String]) -> String {
    let cells = cells.join(" & ");
    let guard = if cells.starts_with(['[', '*']) { "{}" } else { "" };
    format!("{guard}{cells} \\\\")
}
