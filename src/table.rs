//! Tables of text, in the forms that people paste: aligned text, Markdown, LaTeX, CSV.

mod latex;
mod markdown;

pub use markdown::literal;

use crate::error::Mistake;

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The columns' names; all but the first are set to the right.
    pub columns: Vec<String>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// A form to print tables in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Aligned columns for a terminal.
    Text,
    /// One line per row and measure, with every digit, for programs.
    Csv,
    /// For a README.
    Markdown,
    /// `booktabs`, for a paper.
    Latex,
    /// Everything, for programs.
    Json,
}

impl Table {
    /// Aligned columns under a title, for a terminal: a control character is shown as an escape
    /// such as `\n` or `\u{1b}`.
    pub fn text(&self) -> String {
        let Self { title, columns, rows } = self.with(visible);
        let width = |column: usize| {
            let cells = rows.iter().chain([&columns]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        let lines: Vec<String> = std::iter::once(&columns).chain(&rows).map(line).collect();
        format!("{title}\n\n{}\n", lines.join("\n"))
    }

    /// A table in GitHub-flavored Markdown under a bold title; every text is shown as it is,
    /// whatever it holds.
    pub fn markdown(&self) -> String {
        let Self { title, columns, rows } = self.with(markdown::literal);
        let line = |cells: &Vec<String>| format!("| {} |", cells.join(" | "));
        let rule = format!("|---|{}", "--:|".repeat(columns.len() - 1));
        let rows: Vec<String> = rows.iter().map(line).collect();
        format!("**{title}**\n\n{}\n{rule}\n{}\n", line(&columns), rows.join("\n"))
    }

    /// A `table` with a `tabular` of the package booktabs.
    pub fn latex(&self) -> String {
        let Self { title, columns, rows } = self.with(latex::literal);
        let line = |cells: &Vec<String>| latex::row(cells);
        let rows: Vec<String> = rows.iter().map(|cells| format!("    {}", line(cells))).collect();
        format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{title}}}\n  \\begin{{tabular}}{{l{}}}\n    \\toprule\n    {}\n    \\midrule\n{}\n    \
             \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            "r".repeat(columns.len() - 1),
            line(&columns),
            rows.join("\n")
        )
    }

    /// With every text in another form.
    fn with(&self, form: fn(&str) -> String) -> Self {
        let each = |cells: &Vec<String>| cells.iter().map(|cell| form(cell)).collect();
        Self { title: form(&self.title), columns: each(&self.columns), rows: self.rows.iter().map(each).collect() }
    }

    /// Comma-separated values with a head line.
    ///
    /// # Errors
    /// Memory cannot be had.
    pub fn csv(&self) -> Result<String, Mistake> {
        let failed = |error: csv::Error| Mistake::new("csv", error.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(failed)?;
        for row in &self.rows {
            writer.write_record(row).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|error| Mistake::new("csv", error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Text on one line that cannot drive a terminal: control characters, line breaks among them, are
/// shown as escapes.
pub fn visible(text: &str) -> String {
    let shown = |letter: char| match letter {
        _ if !is_unprintable(letter) => String::from(letter),
        _ => letter.escape_default().to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a letter is no letter: a control character, or one that breaks a line.
fn is_unprintable(letter: char) -> bool {
    letter.is_control() || ['\u{2028}', '\u{2029}'].contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        Table {
            title: "R² of a_b".into(),
            columns: row(["method", "Δm"]),
            rows: vec![row(["sum|x", "1.0 ± 0.1"]), row(["famo, all 9", "-4"])],
        }
    }

    #[test]
    fn each_form_escapes_what_it_must() {
        let table = table();
        assert_eq!(
            table.text(),
            "R² of a_b\n\nmethod              Δm\nsum|x        1.0 ± 0.1\nfamo, all 9         -4\n"
        );
        assert_eq!(
            table.markdown(),
            "**R² of a_b**\n\n| method | Δm |\n|---|--:|\n| sum\\|x | 1.0 ± 0.1 |\n| famo, all 9 | -4 |\n"
        );
        let latex = table.latex();
        assert!(latex.contains("\\caption{R$^2$ of a\\_b}") && latex.contains("method & $\\Delta$m \\\\"), "{latex}");
        assert!(latex.contains("sum\\textbar{}x & 1.0 $\\pm$ 0.1 \\\\"), "{latex}");
        assert_eq!(table.csv().unwrap(), "method,Δm\nsum|x,1.0 ± 0.1\n\"famo, all 9\",-4\n");
    }
    /// Arms are called by any text.
    fn hostile() -> Table {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        Table {
            title: "*R²* of\n<b>".into(),
            columns: row(["[x](y)", "a|b"]),
            rows: vec![row(["[x](y)\r\n\u{1b}[31m", "1 [0, 2]"]), row(["*--`\\|", "2"])],
        }
    }

    #[test]
    fn text_stays_on_its_line_and_sends_nothing_to_the_terminal() {
        assert_eq!(
            hostile().text(),
            "*R²* of\\n<b>\n\n[x](y)                     a|b\n[x](y)\\r\\n\\u{1b}[31m  1 [0, 2]\n*--`\\|                       2\n"
        );
    }

    #[test]
    fn markdown_shows_every_text_and_no_mark() {
        assert_eq!(
            hostile().markdown(),
            "**\\*R²\\* of<br>\\<b>**\n\n| [x\\](y) | a\\|b |\n|---|--:|\n| [x\\](y)<br>\\\\u{1b}[31m | 1 [0, 2] |\n\
             | \\*--\\`\\\\\\| | 2 |\n"
        );
    }

    #[test]
    fn latex_takes_no_cell_for_an_argument_and_no_letter_for_another() {
        let latex = hostile().latex();
        for part in [
            "\\caption{*R$^2$* of\\textbackslash{}n$<$b$>$}",
            "{}[x](y) & a\\textbar{}b \\\\\n",
            "{}[x](y)\\textbackslash{}r\\textbackslash{}n\\textbackslash{}u\\{1b\\}[31m & 1 [0, 2] \\\\\n",
            "{}*-{}-\\textasciigrave{}\\textbackslash{}\\textbar{} & 2 \\\\\n",
        ] {
            assert!(latex.contains(part), "{part} is missing in:\n{latex}");
        }
    }
}
