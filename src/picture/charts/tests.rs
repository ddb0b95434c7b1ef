//! What holds of every chart: one table of inputs that all go through.

use super::*;
use anyhow::Result;
use std::collections::BTreeSet;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("method{number}")).collect()
}

/// A wave of its own for each number, between 0.2 and 0.8.
fn wave(number: usize, step: usize) -> f64 {
    0.5 + 0.3 * (number as f64 * 1.3 + step as f64 * 0.21).sin()
}

fn curves(names: &[String], value: impl Fn(usize, usize) -> f64, steps: usize, log_y: bool) -> Curves {
    let point = |number: usize, step: usize| {
        let y = value(number, step);
        CurvePoint { x: step as f64 * 100.0, y, band: Some([y - 0.05, y + 0.05]) }
    };
    let curve = |(number, label): (usize, &String)| Curve {
        label: label.clone(),
        points: (0..steps).map(|step| point(number, step)).collect(),
    };
    let (x_name, y_name) = ("step".into(), "loss".into());
    Curves { title: "a chart".into(), x_name, y_name, log_y, curves: names.iter().enumerate().map(curve).collect() }
}

fn plane(names: &[String], value: impl Fn(usize, usize) -> f64, log_x: bool, joined: Joined) -> Plane {
    let point = |number: usize, label: &String| {
        let [x, y] = [value(number, 0), value(number, 9)];
        let [x_interval, y_interval] = [x, y].map(|middle| Some([middle - 0.02, middle + 0.02]));
        Point { label: format!("{label}*"), x, y, x_interval, y_interval }
    };
    let group =
        |(number, label): (usize, &String)| Group { label: label.clone(), joined, points: vec![point(number, label)] };
    Plane {
        title: "a chart".into(),
        names: ["first".into(), "second".into()],
        reference: Some([1.0, 1.0]),
        log_x,
        groups: names.iter().enumerate().map(group).collect(),
        ..Plane::default()
    }
}

fn intervals(names: &[String], value: impl Fn(usize, usize) -> f64) -> Intervals {
    let row = |(number, label): (usize, &String)| {
        let estimate = value(number, 0);
        let interval = [estimate - 0.1, value(number, 5)];
        let words = format!("{estimate:.2} of {number}");
        Interval { label: label.clone(), estimate, interval, told_apart: number % 2 == 0, words }
    };
    let rows = names.iter().enumerate().map(row).collect();
    Intervals { title: "a chart".into(), name: "difference".into(), reference: 0.0, rows }
}

fn critical_difference(names: &[String], value: impl Fn(usize, usize) -> f64) -> CriticalDifference {
    let ranks = names.iter().enumerate().map(|(number, name)| (name.clone(), value(number, 0)));
    let cliques = (1..names.len()).map(|place| vec![place - 1, place]).collect();
    CriticalDifference { title: "a chart".into(), ranks: ranks.collect(), cliques, difference: Some(0.2) }
}

/// What may be asked of charts, by name; whether there is anything to draw.
struct Case {
    name: &'static str,
    names: Vec<String>,
    value: fn(usize, usize) -> f64,
    steps: usize,
    logarithmic: bool,
    is_drawn: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, names, value: fn(usize, usize) -> f64, is_drawn| Case {
        name,
        names,
        value,
        steps: 20,
        logarithmic: false,
        is_drawn,
    };
    let hostile =
        ["<script>alert(\"&\")</script>", "a & b", "it's", "\u{0}\u{1b}[31m\n\t\u{ffff}", "", "任务", "a & b"];
    vec![
        case("plain", names(3), wave, true),
        case("no series", vec![], wave, false),
        case("one series", names(1), wave, true),
        Case { steps: 1, ..case("one point", names(1), wave, true) },
        case("all equal", names(4), |_, _| 0.25, true),
        case("all zero", names(4), |_, _| 0.0, true),
        case("nothing finite", names(2), |_, step| [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][step % 3], false),
        case("some not finite", names(5), |n, s| if n == 2 || s == 7 { f64::NAN } else { wave(n, s) }, true),
        case("infinite ends", names(5), |n, s| if s == 5 { f64::INFINITY } else { wave(n, s) }, true),
        case("many", names(40), wave, true),
        case("very many", names(300), wave, true),
        case("long names", (0..6).map(|n| format!("{n}{}", "very_long_".repeat(500))).collect(), wave, true),
        case("hostile names", hostile.map(String::from).to_vec(), wave, true),
        case("huge", names(4), |n, s| wave(n, s) * 1e300, true),
        case("beyond huge", names(4), |n, s| if n == 0 { f64::MAX } else { wave(n, s) }, true),
        case("tiny", names(4), |n, s| wave(n, s) * 1e-310, true),
        case("hardly apart", names(4), |n, s| 1e6 + 1e-9 * wave(n, s), true),
        case("of both signs", names(4), |n, s| (wave(n, s) - 0.5) * 1e9, true),
        Case { steps: 100_000, ..case("long", names(2), wave, true) },
        Case { logarithmic: true, ..case("logarithms", names(4), |n, s| 10f64.powf(8.0 * wave(n, s)), true) },
        Case { logarithmic: true, ..case("logarithms of zeros", names(4), |n, s| (wave(n, s) - 0.5).max(0.0), true) },
    ]
}

/// The four charts of a case as one kind of thing.
fn all(case: &Case) -> Vec<(String, Box<dyn Chart>)> {
    let joined = [Joined::Not, Joined::Line, Joined::Front][case.names.len() % 3];
    let charts: [(&str, Box<dyn Chart>); 4] = [
        ("curves", Box::new(curves(&case.names, case.value, case.steps, case.logarithmic))),
        ("plane", Box::new(plane(&case.names, case.value, case.logarithmic, joined))),
        ("intervals", Box::new(intervals(&case.names, case.value))),
        ("critical difference", Box::new(critical_difference(&case.names, case.value))),
    ];
    charts.into_iter().map(|(kind, chart)| (format!("{kind}, {}", case.name), chart)).collect()
}

/// The words of an SVG, as they are read.
fn words(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter(|line| line.starts_with("<text"));
    let inner = texts.filter_map(|line| Some(line.strip_suffix("</text>")?.split_once('>')?.1));
    let read =
        |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    inner.map(read).collect()
}

#[test]
fn every_chart_draws_every_case_or_says_that_nothing_is_there() -> Result<()> {
    for case in cases() {
        for (name, chart) in all(&case) {
            if !case.is_drawn {
                // Intervals still have their reference: rows of words are worth reading.
                if let Err(error) = chart.sheet() {
                    assert!(error.to_string().contains("to draw"), "{name}: {error}");
                } else {
                    assert_eq!(name, "intervals, nothing finite");
                }
                continue;
            }
            for appearance in [Appearance::Paper, Appearance::Page] {
                let svg = chart.svg(appearance).map_err(|error| error.context(name.clone()))?;
                assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"), "{name}");
                let without_words: String =
                    svg.lines().map(|line| line.split('>').next().unwrap_or_default()).collect();
                assert!(!without_words.contains("NaN") && !without_words.contains("inf"), "{name}");
                assert_eq!(
                    svg.contains('#'),
                    appearance == Appearance::Paper,
                    "{name}: a colour that is none of the page"
                );
                assert!(svg.len() < 2_000_000, "{name}: {} bytes", svg.len());
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_is_drawn_outside_the_sheet() -> Result<()> {
    for case in cases().iter().filter(|case| case.is_drawn) {
        for (name, chart) in all(case) {
            let sheet = chart.sheet()?;
            assert!((100.0..1100.0).contains(&sheet.width), "{name}: {}", sheet.width);
            let inside = |(x, y): sheet::Spot| {
                assert!((0.0..=sheet.width).contains(&x) && (0.0..=sheet.height).contains(&y), "{name}: {x}, {y}");
            };
            for shape in &sheet.shapes {
                match shape {
                    sheet::Shape::Line { points, .. } | sheet::Shape::Area { points, .. } => {
                        points.iter().for_each(|point| inside(*point));
                    }
                    sheet::Shape::Disc { at, .. } => inside(*at),
                    sheet::Shape::Words { text, at: (x, y), side, em, .. } => {
                        let length = sheet::room(text, *em);
                        let (from, to) = match side {
                            super::super::page::Side::Right => (*x, x + length),
                            super::super::page::Side::Left => (x - length, *x),
                            super::super::page::Side::Middle => (x - length / 2.0, x + length / 2.0),
                            _ => (*x, *x),
                        };
                        inside((from, *y));
                        inside((to, *y));
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_png_has_two_dots_for_each_unit() -> Result<()> {
    for case in cases()
        .iter()
        .filter(|case| ["plain", "hostile names", "infinite ends", "huge", "very many"].contains(&case.name))
    {
        for (name, chart) in all(case) {
            let (sheet, png) = (chart.sheet()?, chart.png()?);
            let above = svg::title_height(&sheet);
            assert_eq!(f64::from(png.width), 2.0 * sheet.width.ceil(), "{name}");
            assert_eq!(f64::from(png.height), 2.0 * (sheet.height.ceil() + above), "{name}");
            assert_eq!(png.bytes[16..20], png.width.to_be_bytes(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn every_series_is_named_once() -> Result<()> {
    for count in [1, 3, 16, 40] {
        let case = Case { names: names(count), steps: 5, ..cases().swap_remove(0) };
        for (kind, chart) in all(&case) {
            let words = words(&chart.svg(Appearance::Page)?);
            for name in &case.names {
                assert_eq!(words.iter().filter(|word| *word == name).count(), 1, "{kind}: {name}");
            }
        }
    }
    Ok(())
}

#[test]
fn series_that_share_a_colour_differ_by_their_dashes() -> Result<()> {
    let svg = curves(&names(16), wave, 20, false).svg(Appearance::Page)?;
    // A line and its sample in the legend, for each.
    let lines = svg.lines().filter(|line| line.starts_with("<polyline") && line.contains("--series-"));
    let styles = lines.map(|line| line.split_once("fill").map(|(_, style)| style.to_string()).unwrap_or_default());
    let styles: BTreeSet<String> = styles.map(|style| style.replace("\"2\"", "\"1.75\"")).collect();
    assert_eq!(styles.len(), 16);
    Ok(())
}

#[test]
fn names_are_text_and_no_markup() -> Result<()> {
    let case = cases().into_iter().find(|case| case.name == "hostile names").expect("in the table");
    for (kind, chart) in all(&case) {
        let svg = chart.svg(Appearance::Paper)?;
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;alert(&quot;&amp;&quot;)"), "{kind}");
        assert!(svg.chars().all(|letter| letter == '\n' || !letter.is_control()), "{kind}");
        assert!(words(&svg).contains(&"it's".to_string()), "{kind}");
        assert!(svg.contains("任务"), "{kind}");
    }
    Ok(())
}

#[test]
fn on_a_page_the_title_is_told_and_not_drawn() -> Result<()> {
    for (kind, chart) in all(&cases()[0]) {
        let (page, paper) = (chart.svg(Appearance::Page)?, chart.svg(Appearance::Paper)?);
        assert!(page.contains("role=\"img\"") && page.contains("\n<title>a chart</title>\n"), "{kind}");
        assert!(page.contains("width=\"100%\"") && page.contains("viewBox=\"0 0 "), "{kind}");
        let drawn = |svg: &str| words(svg).contains(&"a chart".to_string());
        assert!(drawn(&paper) && !drawn(&page), "{kind}");
    }
    Ok(())
}

#[test]
fn a_curve_has_gaps_where_it_has_no_number() -> Result<()> {
    let lines = |gap: &'static [usize]| -> Result<usize> {
        let value = |_: usize, step: usize| if gap.contains(&step) { f64::NAN } else { step as f64 };
        let svg = curves(&names(1), value, 20, false).svg(Appearance::Page)?;
        Ok(svg.matches("stroke=\"var(--series-1)\"").count() - 1) // the legend's
    };
    assert_eq!((lines(&[])?, lines(&[5])?, lines(&[0, 19])?, lines(&[5, 10, 11])?), (1, 2, 1, 3));
    Ok(())
}

#[test]
fn a_file_is_svg_or_png() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let chart = intervals(&names(3), wave);
    for (name, start) in [("a.svg", &b"<svg "[..]), ("a.png", b"\x89PNG")] {
        write(&chart, &folder.path().join(name))?;
        assert!(std::fs::read(folder.path().join(name))?.starts_with(start));
    }
    let error = write(&chart, &folder.path().join("a.pdf")).expect_err("no such kind");
    assert!(error.to_string().contains("a.pdf: is no picture"));
    let empty = folder.path().join("b.svg");
    assert!(write(&Intervals::default(), &empty).is_err() && !empty.exists());
    Ok(())
}
