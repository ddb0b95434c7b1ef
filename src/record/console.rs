//! What a person sees of a run, on stderr: a line per epoch and, on a terminal, a progress bar below.

use super::{Event, Header, Recorder, Score, SplitName, StepRecord};
use crate::error::note;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// So many tasks are shown one by one; of more, the means.
const SHOWN_TASKS: usize = 8;
/// Times a second that the bar is drawn anew.
const DRAWS: u8 = 10;

/// Shows progress on stderr, as `epoch 3/50  step 300  train task1 0.4120 task2 0.3980  validation task1 0.4300 (accuracy
/// 0.8100) …  1234 steps/s`. With more than eight tasks it shows means over the tasks.
#[derive(Debug)]
pub struct Console {
    lines: Lines,
    bar: Option<ProgressBar>,
    drawn: Option<Instant>,
}

impl Console {
    /// Lines only where stderr is no terminal.
    pub fn new(header: &Header) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(header));
        Self { lines: Lines::new(header), bar, drawn: None }
    }

    fn step(&mut self, record: &StepRecord) {
        let Some(bar) = &self.bar else { return };
        let now = Instant::now();
        let pause = Duration::from_secs(1) / u32::from(DRAWS);
        if self.drawn.is_some_and(|drawn| now.duration_since(drawn) < pause) {
            return;
        }
        self.drawn = Some(now);
        bar.set_position(position(record.step + 1));
        bar.set_message(self.lines.losses(record));
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(line),
        }
    }
}

impl Recorder for Console {
    fn record(&mut self, event: &Event) -> Result<()> {
        if let Event::Step(record) = event {
            self.step(record);
        }
        if let Some(line) = self.lines.take_in(event) {
            self.say(&line);
        }
        match (event, &self.bar) {
            (Event::EpochEnd { step, .. }, Some(bar)) => bar.set_position(position(*step)),
            (Event::End { .. }, Some(bar)) => bar.finish_and_clear(),
            _ => {}
        }
        Ok(())
    }
}

fn position(step: i64) -> u64 {
    u64::try_from(step).unwrap_or(0)
}

fn bar(header: &Header) -> ProgressBar {
    let template = match header.total_steps {
        Some(_) => "{bar:16} {pos}/{len}  {per_sec}  {eta} left  {wide_msg}",
        None => "{spinner} step {pos}  {per_sec}  {elapsed}  {wide_msg}",
    };
    let style = ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("━╸ ")
        .with_key("per_sec", |state: &indicatif::ProgressState, text: &mut dyn std::fmt::Write| {
            _ = write!(text, "{}", speed(state.per_sec()));
        });
    let bar =
        ProgressBar::with_draw_target(header.total_steps.map(position), ProgressDrawTarget::stderr_with_hz(DRAWS))
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
    // A resumed run did not make its first steps just now: they must not count in the speed.
    bar.set_position(position(header.start_step));
    bar.tick();
    bar.reset_eta();
    bar
}

/// Composes the lines from what is told between two ends of epochs.
#[derive(Debug)]
struct Lines {
    tasks: Vec<String>,
    epochs: Option<i64>,
    /// Steps and seconds at the last end of an epoch; unknown at first in a resumed run.
    last: Option<(i64, f64)>,
    /// What was measured since, as words, per split.
    measured: Vec<(SplitName, String)>,
}

impl Lines {
    fn new(header: &Header) -> Self {
        Self {
            tasks: header.tasks.to_vec(),
            epochs: header.epochs,
            last: (header.start_step == 0).then_some((0, 0.0)),
            measured: Vec::new(),
        }
    }

    /// The line to show now, if the event completes one.
    fn take_in(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Scores { split, scores, .. } => {
                self.measured.retain(|(known, _)| known != split);
                self.measured.push((*split, self.scores(scores)));
                None
            }
            Event::EpochEnd { step, epoch, seconds } => Some(self.epoch(*step, *epoch, *seconds)),
            Event::Step(_) | Event::Cosines { .. } | Event::Parameters { .. } | Event::End { .. } => None,
        }
    }

    fn epoch(&mut self, step: i64, epoch: i64, seconds: f64) -> String {
        let of = self.epochs.map(|epochs| format!("/{epochs}")).unwrap_or_default();
        let mut parts = vec![format!("epoch {}{of}", epoch + 1), format!("step {step}")];
        parts.extend(self.measurements());
        if let Some((steps, before)) = self.last.replace((step, seconds))
            && seconds > before
        {
            parts.push(speed((step - steps) as f64 / (seconds - before)));
        }
        parts.join("  ")
    }

    fn measurements(&mut self) -> Vec<String> {
        self.measured.drain(..).map(|(split, words)| format!("{} {words}", split.name())).collect()
    }

    /// The losses of one step, per task or their mean.
    fn losses(&self, record: &StepRecord) -> String {
        if self.tasks.len() > SHOWN_TASKS {
            return format!("mean loss {}", value(mean(record.losses.iter().copied())));
        }
        let losses = self.tasks.iter().zip(record.losses);
        losses.map(|(task, loss)| format!("{task} {}", value(*loss))).collect::<Vec<_>>().join(" ")
    }

    fn scores(&self, scores: &[Score]) -> String {
        let total = scores.iter().filter(|score| score.task == "total" && !is_loss(score)).collect::<Vec<_>>();
        let mut words = Vec::new();
        if self.tasks.len() > SHOWN_TASKS {
            words.push(entry("mean", &means(scores)));
        } else {
            for task in &self.tasks {
                let own = scores.iter().filter(|score| score.task == *task);
                let own: Vec<_> = own.map(|score| (score.metric, score.value)).collect();
                if !own.is_empty() {
                    words.push(entry(task, &own));
                }
            }
        }
        if !total.is_empty() {
            words.push(entry("total", &total.iter().map(|score| (score.metric, score.value)).collect::<Vec<_>>()));
        }
        words.join(" ")
    }
}

fn is_loss(score: &Score) -> bool {
    matches!(score.metric, "loss" | "loss_mean")
}

/// `NAME LOSS (METRIC VALUE, …)`.
fn entry(name: &str, values: &[(&'static str, Option<f64>)]) -> String {
    let mut words = name.to_string();
    let mut metrics = Vec::new();
    for (metric, measured) in values {
        match *metric {
            "loss" | "loss_mean" => words += &format!(" {}", value(*measured)),
            _ => metrics.push(format!("{metric} {}", value(*measured))),
        }
    }
    if !metrics.is_empty() {
        words += &format!(" ({})", metrics.join(", "));
    }
    words
}

/// Per metric its mean over the tasks that have it, in the order in which the metrics first come.
fn means(scores: &[Score]) -> Vec<(&'static str, Option<f64>)> {
    let of_tasks = || scores.iter().filter(|score| score.task != "total");
    let mut metrics: Vec<&'static str> = Vec::new();
    for score in of_tasks() {
        if !metrics.contains(&score.metric) {
            metrics.push(score.metric);
        }
    }
    let of = |metric| mean(of_tasks().filter(|score| score.metric == metric).map(|score| score.value));
    metrics.into_iter().map(|metric| (metric, of(metric))).collect()
}

/// Over those that are defined.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// A value, or a dash where there is none.
fn value(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), short)
}

/// Without decimals where they say nothing.
fn speed(steps_per_second: f64) -> String {
    let decimals = if steps_per_second < 10.0 { 2 } else { 0 };
    format!("{steps_per_second:.decimals$} steps/s")
}

/// Four significant digits: `0.4567`, `12.30`, `1.234e-5`.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = 3 - (size.log10().floor() as i32).min(3);
    format!("{value:.*}", decimals as usize)
}

#[cfg(test)]
mod tests {
    use super::super::example::{Example, score, step};
    use super::*;

    fn scores(tasks: &[String], loss: &'static str, accuracy: bool) -> Vec<Score> {
        let mut scores = Vec::new();
        for (task, number) in tasks.iter().zip(1..) {
            scores.push(score(task, loss, Some(f64::from(number) * 0.12)));
            if accuracy {
                scores.push(score(task, "accuracy", (number != 2).then_some(0.81)));
            }
        }
        scores.push(score("total", loss, Some(9.0)));
        scores
    }

    fn told(example: &Example, epochs: &[(i64, i64, f64)]) -> Vec<String> {
        let mut lines = Lines::new(&example.header());
        let mut said = Vec::new();
        for &(step, epoch, seconds) in epochs {
            for (split, loss, accuracy) in
                [(SplitName::Train, "loss_mean", false), (SplitName::Validation, "loss", true)]
            {
                let scores = scores(&example.tasks, loss, accuracy);
                said.extend(lines.take_in(&Event::Scores { step, epoch, split, scores: &scores }));
            }
            said.extend(lines.take_in(&Event::EpochEnd { step, epoch, seconds }));
        }
        said.extend(lines.take_in(&Event::End { finished: true }));
        said
    }

    #[test]
    fn an_epoch_of_two_tasks_is_one_line() {
        assert_eq!(
            told(&Example::new(2), &[(100, 0, 0.5), (200, 1, 0.75)]),
            [
                "epoch 1/50  step 100  train task1 0.1200 task2 0.2400  \
                 validation task1 0.1200 (accuracy 0.8100) task2 0.2400 (accuracy -)  200 steps/s",
                "epoch 2/50  step 200  train task1 0.1200 task2 0.2400  \
                 validation task1 0.1200 (accuracy 0.8100) task2 0.2400 (accuracy -)  400 steps/s",
            ]
        );
    }

    #[test]
    fn forty_tasks_are_told_by_their_means() {
        assert_eq!(
            told(&Example::new(40), &[(100, 0, 0.5)]),
            ["epoch 1/50  step 100  train mean 2.460  validation mean 2.460 (accuracy 0.8100)  200 steps/s"]
        );
    }

    #[test]
    fn a_resumed_run_tells_its_speed_from_its_second_epoch_on() {
        let example = Example { start_step: 50, ..Example::new(1) };
        let said = told(&example, &[(100, 0, 0.5), (200, 1, 1.5)]);
        assert!(said[0].ends_with("validation task1 0.1200 (accuracy 0.8100)"), "{said:?}");
        assert!(said[1].ends_with("  100 steps/s"), "{said:?}");
    }

    #[test]
    fn the_test_rows_are_left_to_the_command() {
        let mut lines = Lines::new(&Example::new(2).header());
        let scores = [score("task1", "loss", Some(1.5)), score("total", "delta_m", Some(-3.0))];
        let event = Event::Scores { step: 9, epoch: 0, split: SplitName::Test, scores: &scores };
        assert_eq!(lines.take_in(&event), None);
        assert_eq!(lines.take_in(&Event::End { finished: true }), None);
    }

    #[test]
    fn the_bar_shows_each_tasks_loss_or_the_mean_of_many() {
        let lines = |count| Lines::new(&Example::new(count).header());
        assert_eq!(lines(2).losses(&step(0, &[Some(0.5), None], &[])), "task1 0.5000 task2 -");
        let many: Vec<_> = (0..9).map(|number| (number < 2).then_some(f64::from(number))).collect();
        assert_eq!(lines(9).losses(&step(0, &many, &[])), "mean loss 0.5000");
    }

    #[test]
    fn slow_steps_are_counted_with_decimals() {
        assert_eq!([0.25, 9.5, 1234.5].map(speed), ["0.25 steps/s", "9.50 steps/s", "1234 steps/s"]);
    }

    #[test]
    fn numbers_have_four_digits_at_any_size() {
        let shown = [0.0, 0.45671, 12.3, 123456.7, -0.00123, 1.2345e-5, 2e9, f64::NAN, f64::INFINITY].map(short);
        assert_eq!(shown, ["0", "0.4567", "12.30", "123457", "-0.001230", "1.234e-5", "2.000e9", "NaN", "inf"]);
    }
}
