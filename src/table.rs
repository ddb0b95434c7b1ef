//! Tables of text, in the forms that people paste: aligned text, Markdown, LaTeX, CSV.

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
    /// Aligned columns under a title.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        let lines = std::iter::once(line(&self.columns)).chain(self.rows.iter().map(|row| line(row)));
        format!("{}\n\n{}\n", self.title, lines.collect::<Vec<_>>().join("\n"))
    }

    /// A Markdown table under a bold title.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |", cells.join(" | "))
        };
        let rule = format!("|---|{}", "--:|".repeat(self.columns.len() - 1));
        let rows: Vec<String> = self.rows.iter().map(|row| line(row)).collect();
        format!("**{}**\n\n{}\n{rule}\n{}\n", self.title, line(&self.columns), rows.join("\n"))
    }

    /// A `table` with a `tabular` of the package booktabs.
    pub fn latex(&self) -> String {
        let line = |cells: &[String]| {
            format!("{} \\\\", cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" & "))
        };
        let rows: Vec<String> = self.rows.iter().map(|row| format!("    {}", line(row))).collect();
        format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{l{}}}\n    \\toprule\n    {}\n    \\midrule\n{}\n    \
             \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            escaped(&self.title),
            "r".repeat(self.columns.len() - 1),
            line(&self.columns),
            rows.join("\n")
        )
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

/// Text as LaTeX takes it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(letter);
            }
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '±' => out += "$\\pm$",
            'Δ' => out += "$\\Delta$",
            '×' => out += "$\\times$",
            '–' => out += "--",
            '−' => out += "$-$",
            '†' => out += "$\\dagger$",
            '‡' => out += "$\\ddagger$",
            '§' => out += "\\S{}",
            '²' => out += "$^2$",
            '<' => out += "$<$",
            '>' => out += "$>$",
            other => out.push(other),
        }
    }
    out
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
        assert!(latex.contains("sum|x & 1.0 $\\pm$ 0.1 \\\\"), "{latex}");
        assert_eq!(table.csv().unwrap(), "method,Δm\nsum|x,1.0 ± 0.1\n\"famo, all 9\",-4\n");
    }
}
