//! The event files, read back.

use super::super::example::{Example, score, step, update};
use super::super::{GradientRecord, UpdateRecord};
use super::*;
use protobuf::Message;
use tensorboard_proto::event::{Event as Written, SessionLog_SessionStatus};
use tensorboard_proto::graph::GraphDef;
use tensorboard_proto::layout::Layout;
use tensorboard_proto::plugin_hparams::HParamsPluginData;
use tensorboard_proto::summary::{Summary_Value, Summary_Value_oneof_value};

/// CRC-32C, bit by bit.
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of one file: length, its checksum, message, its checksum, and so on.
fn read(path: &Path) -> Result<Vec<Written>> {
    assert_eq!(crc(b"123456789"), 0xe306_9283);
    let bytes = std::fs::read(path)?;
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut events) = (0, Vec::new());
    while at < bytes.len() {
        assert_eq!(number(at + 8), masked(crc(&bytes[at..at + 8])));
        let end = at + 12 + number(at) as usize;
        assert_eq!(number(end), masked(crc(&bytes[at + 12..end])));
        events.push(Written::parse_from_bytes(&bytes[at + 12..end])?);
        at = end + 4;
    }
    Ok(events)
}

/// The event files of a folder, oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    let counter = |path: &PathBuf| path.extension().and_then(|counter| counter.to_str()?.parse::<u32>().ok());
    paths.sort_by_key(counter);
    Ok(paths)
}

fn values(events: &[Written]) -> impl Iterator<Item = (i64, &Summary_Value)> {
    events.iter().flat_map(|event| event.get_summary().get_value().iter().map(|value| (event.get_step(), value)))
}

/// Step, tag and value of every scalar.
fn scalars(events: &[Written]) -> Vec<(i64, &str, f32)> {
    values(events)
        .filter(|(_, value)| matches!(value.value, Some(Summary_Value_oneof_value::simple_value(_))))
        .map(|(step, value)| (step, value.get_tag(), value.get_simple_value()))
        .collect()
}

fn value<'a>(events: &'a [Written], tag: &str) -> &'a Summary_Value {
    values(events).map(|(_, value)| value).find(|value| value.get_tag() == tag).expect("the tag was written")
}

fn content(value: &Summary_Value) -> Result<HParamsPluginData> {
    assert_eq!(value.get_metadata().get_plugin_data().get_plugin_name(), "hparams");
    Ok(HParamsPluginData::parse_from_bytes(value.get_metadata().get_plugin_data().get_content())?)
}

/// Two tasks; `record` uses the recorder, and what it wrote is read back.
fn recorded(example: &Example, record: impl FnOnce(&mut TensorBoard) -> Result<()>) -> Result<Vec<Written>> {
    let folder = tempfile::tempdir()?;
    let mut board = TensorBoard::create(folder.path(), &example.header(), true)?;
    record(&mut board)?;
    board.flush()?;
    read(&files(folder.path())?[0])
}

#[test]
fn a_step_is_one_event_with_exactly_these_scalars() -> Result<()> {
    let events = recorded(&Example::new(2), |board| {
        board.record(&Event::Step(&step(7, &[Some(0.5), None], &[Some(1.0), None])))?;
        board.record(&Event::Step(&step(8, &[Some(f64::NAN), Some(2.0)], &[Some(0.25), Some(0.75)])))
    })?;
    let scalars = scalars(&events);
    let rest = [("train/learning_rate", 1e-3), ("gradients/norm/total", 0.5), ("time/step_ms", 0.25)];
    let mut expected = vec![(7, "train/loss/task1", 0.5), (7, "train/weight/task1", 1.0), (7, "train/loss/total", 0.5)];
    expected.extend(rest.map(|(tag, value)| (7, tag, value)));
    assert_eq!(scalars[..6], expected);

    let tags: Vec<_> = scalars[6..].iter().map(|(step, tag, _)| (*step, *tag)).collect();
    let per_task = ["train/loss/task1", "train/loss/task2", "train/weight/task1", "train/weight/task2"];
    let all = per_task.into_iter().chain(["train/loss/total"]).chain(rest.map(|(tag, _)| tag));
    assert_eq!(tags, all.map(|tag| (8, tag)).collect::<Vec<_>>());
    assert!(scalars[6].2.is_nan() && scalars[9].2 == 0.75);
    assert_eq!(events.iter().filter(|event| event.get_step() == 8).count(), 1);
    Ok(())
}

/// What a step with this update records of it.
fn told(tasks: usize, update: UpdateRecord) -> Result<Vec<(String, f32)>> {
    let absent = vec![None; tasks];
    let events = recorded(&Example::new(tasks), |board| {
        board.record(&Event::Step(&StepRecord { update: Some(update), ..step(7, &absent, &absent) }))
    })?;
    let scalars = scalars(&events)
        .into_iter()
        .filter(|(_, tag, _)| *tag != "gradients/norm/total")
        .filter(|(_, tag, _)| ["update/", "method/", "gradients/"].iter().any(|start| tag.starts_with(start)));
    Ok(scalars.map(|(_, tag, value)| (tag.to_string(), value)).collect())
}

#[test]
fn what_became_of_the_gradients_is_told_where_it_is_known() -> Result<()> {
    let method = [("method/milliseconds", 0.125), ("method/backward_passes", 2.0)];
    let owned = |pairs: &[(&str, f32)]| pairs.iter().map(|(tag, value)| (tag.to_string(), *value)).collect::<Vec<_>>();
    let mut whole = owned(&[("update/norm", 0.5), ("update/cosine_to_mean", 0.75)]);
    whole.extend(owned(&method));
    assert_eq!(told(2, UpdateRecord { gradients: None, ..update() })?, whole);
    whole.extend(owned(&[
        ("gradients/norm/task1", 2.0),
        ("gradients/norm/task2", 0.5),
        ("gradients/cosine/task1/task2", -0.25),
        ("gradients/conflicting_pairs", 1.0),
    ]));
    assert_eq!(told(2, update())?, whole);

    let gradients =
        GradientRecord { norms: vec![Some(2.0), None], cosines: vec![vec![None; 2]; 2], conflicting_pairs: None };
    let alone = UpdateRecord { cosine_to_mean: None, gradients: Some(gradients), ..update() };
    let mut left = owned(&[("update/norm", 0.5)]);
    left.extend(owned(&method));
    left.extend(owned(&[("gradients/norm/task1", 2.0)]));
    assert_eq!(told(2, alone)?, left);
    Ok(())
}

#[test]
fn each_pair_of_up_to_eight_tasks_has_its_curve() -> Result<()> {
    for (tasks, pairs) in [(1, 0), (2, 1), (3, 3), (8, 28), (9, 0)] {
        let cosine = |row: usize, column: usize| Some(f64::from(u8::try_from(10 * (row + 1) + column + 1).ok()?));
        let cosines = (0..tasks).map(|row| (0..tasks).map(|column| cosine(row, column)).collect()).collect();
        let gradients = GradientRecord { norms: vec![None; tasks], cosines, conflicting_pairs: None };
        let told = told(tasks, UpdateRecord { gradients: Some(gradients), ..update() })?;
        let found: Vec<_> =
            told.iter().filter_map(|(tag, value)| Some((tag.strip_prefix("gradients/cosine/")?, *value))).collect();
        assert_eq!(found.len(), pairs);
        for (tag, value) in found {
            let (first, second) = (value as u8 / 10, value as u8 % 10);
            assert!(first < second);
            assert_eq!(tag, format!("task{first}/task{second}"));
        }
    }
    Ok(())
}

#[test]
fn mean_cosines_become_a_picture() -> Result<()> {
    let mean = vec![vec![Some(1.0), Some(-0.5)], vec![Some(-0.5), None]];
    let example = Example::new(2);
    let events = recorded(&example, |board| board.record(&Event::Cosines { step: 100, mean: &mean }))?;
    let (step, picture) = values(&events).find(|(_, value)| value.has_image()).expect("a picture");
    assert_eq!((step, picture.get_tag()), (100, "gradients/cosines"));
    let expected = Heatmap::new(&example.tasks, &mean, "mean cosines of the tasks' gradients")?.png()?;
    let image = picture.get_image();
    assert_eq!(image.get_encoded_image_string(), expected.bytes);
    assert_eq!((image.get_width(), image.get_height()), (expected.width as i32, expected.height as i32));
    assert_eq!(image.get_colorspace(), 3);
    Ok(())
}

#[test]
fn scores_and_memory_bear_the_step_of_their_evaluation() -> Result<()> {
    let events = recorded(&Example::new(2), |board| {
        let scores = [score("task1", "loss", Some(0.25)), score("task2", "accuracy", None)];
        board.record(&Event::Scores { step: 100, epoch: 0, split: SplitName::Validation, scores: &scores })?;
        board.record(&Event::EpochEnd { step: 100, epoch: 0, seconds: 1.0 })
    })?;
    let scalars = scalars(&events);
    assert_eq!(scalars[0], (100, "validation/task1/loss", 0.25));
    if cfg!(target_os = "linux") {
        assert_eq!((scalars.len(), scalars[1].0, scalars[1].1), (2, 100, "memory/rss_mb"));
        assert!(scalars[1].2 > 1.0, "a process of {} MB", scalars[1].2);
    }
    Ok(())
}

#[test]
fn a_file_starts_with_its_version_and_what_is_known_from_the_start() -> Result<()> {
    let events = recorded(&Example::new(2), |_| Ok(()))?;
    assert_eq!(events[0].get_file_version(), "brain.Event:2");
    assert!(!events.iter().any(Written::has_session_log));

    let text = |tag| String::from_utf8_lossy(&value(&events, tag).get_tensor().get_string_val()[0]).into_owned();
    assert_eq!(text("config/text_summary"), "```yaml\nname: document\nseed: 0\n```");
    assert_eq!(
        text("environment/text_summary"),
        "| | |\n|---|---|\n| device | cpu |\n| command | polytask train a\\|b.yaml |\n"
    );

    let layout = value(&events, "custom_scalars__config__").get_tensor().get_string_val();
    let layout = Layout::parse_from_bytes(&layout[0])?;
    let charts = layout.get_category().iter().flat_map(|category| category.get_chart());
    let expressions: Vec<_> = charts.map(|chart| chart.get_multiline().get_tag()[0].as_str()).collect();
    assert_eq!(
        expressions,
        [
            "train/loss/.+",
            "train/weight/.+",
            "validation/[^/]+/loss$",
            "(train|validation|test)/task1/(accuracy)$",
            "(train|validation|test)/task2/(accuracy)$",
            "gradients/norm/.+",
            "gradients/cosine/.+",
            "gradients/conflicting_pairs$",
            "update/norm$",
            "update/cosine_to_mean$",
            "method/milliseconds$",
        ]
    );

    let graph =
        GraphDef::parse_from_bytes(events.iter().find(|e| e.has_graph_def()).expect("a graph").get_graph_def())?;
    let head = graph.get_node().last().expect("a node");
    assert_eq!((head.get_name(), head.get_op()), ("heads/task2/task2_layer", "Linear"));
    assert_eq!(head.get_input(), ["shared_layers/1"]);
    let shape = &head.get_attr()["_output_shapes"].get_list().get_shape()[0];
    assert_eq!(shape.get_dim().iter().map(|dim| dim.get_size()).collect::<Vec<_>>(), [-1, 2]);
    Ok(())
}

#[test]
fn hyper_parameters_name_their_columns_the_group_and_an_end_only_if_there_was_one() -> Result<()> {
    for finished in [true, false] {
        let events = recorded(&Example::new(2), |board| board.record(&Event::End { finished }))?;
        let experiment = content(value(&events, "_hparams_/experiment"))?;
        let infos = experiment.get_experiment().get_metric_infos();
        assert_eq!(
            infos.iter().map(|info| info.get_name().get_tag()).collect::<Vec<_>>(),
            [
                "validation/task1/loss",
                "validation/task1/accuracy",
                "validation/task2/loss",
                "validation/task2/accuracy"
            ]
        );
        let columns = experiment.get_experiment().get_hparam_infos();
        let columns: Vec<_> = columns.iter().map(|column| column.get_name()).collect();
        assert_eq!(columns, ["method", "learning_rate", "deterministic"]);

        let start = content(value(&events, "_hparams_/session_start_info"))?;
        let start = start.get_session_start_info();
        assert_eq!(start.get_group_name(), "document/sum");
        assert_eq!(start.get_hparams()["method"].get_string_value(), "sum");
        assert_eq!(start.get_hparams()["learning_rate"].get_number_value(), 1e-3);
        assert!(start.get_hparams()["deterministic"].get_bool_value());
        let ends = values(&events).filter(|(_, value)| value.get_tag() == "_hparams_/session_end_info");
        assert_eq!(ends.count(), usize::from(finished));
    }
    Ok(())
}

#[test]
fn parameters_become_histograms() -> Result<()> {
    let tensors = [
        ("shared_layers.0.bias".to_string(), Tensor::from_slice(&[1.0, 2.0])),
        ("broken".to_string(), Tensor::from_slice(&[f64::NAN])),
    ];
    let events = recorded(&Example::new(2), |board| board.record(&Event::Parameters { step: 100, tensors: &tensors }))?;
    let written: Vec<_> = values(&events).filter(|(_, value)| value.has_histo()).collect();
    assert_eq!(written.len(), 1);
    assert_eq!((written[0].0, written[0].1.get_tag()), (100, "parameters/shared_layers.0.bias"));
    assert_eq!(written[0].1.get_histo().get_num(), 2.0);
    Ok(())
}

#[test]
fn a_second_writer_has_its_own_file_and_a_resumed_one_starts_behind_the_checkpoint() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fresh = Example::new(2);
    let resumed = Example { start_step: 100, ..Example::new(2) };
    let mut first = TensorBoard::create(folder.path(), &fresh.header(), true)?;
    let mut second = TensorBoard::create(folder.path(), &resumed.header(), false)?;
    first.record(&Event::Step(&step(1, &[Some(1.0), None], &[None, None])))?;
    second.record(&Event::Step(&step(100, &[Some(2.0), None], &[None, None])))?;
    drop((first, second));

    let files = files(folder.path())?;
    assert_eq!(files.len(), 2);
    let (first, second) = (read(&files[0])?, read(&files[1])?);
    assert_eq!(scalars(&first)[0], (1, "train/loss/task1", 1.0));
    assert_eq!(scalars(&second)[0], (100, "train/loss/task1", 2.0));
    let restart = second.iter().position(Written::has_session_log).expect("a restart");
    assert_eq!((restart, second[restart].get_step()), (1, 101));
    assert_eq!(second[restart].get_session_log().get_status(), SessionLog_SessionStatus::START);
    assert!(first.iter().any(Written::has_graph_def) && !second.iter().any(Written::has_graph_def));
    Ok(())
}

#[test]
fn earlier_files_are_cut_back_to_what_a_checkpoint_knows_of_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fresh = Example::new(2);
    let record =
        |board: &mut TensorBoard, number| board.record(&Event::Step(&step(number, &[None, None], &[None, None])));
    let mut first = TensorBoard::create(folder.path(), &fresh.header(), true)?;
    record(&mut first, 0)?;
    first.flush()?;
    let stored = first.positions();
    record(&mut first, 1)?;
    first.flush()?;
    let longer = first.positions();
    let mut second = TensorBoard::create(folder.path(), &fresh.header(), false)?;
    record(&mut second, 1)?;
    second.flush()?;
    let both: BTreeMap<_, _> = longer.clone().into_iter().chain(second.positions()).collect();
    assert_eq!(both.len(), 2);
    drop((first, second));

    // A checkpoint of version 0.1 knows no lengths.
    assert_eq!(EarlierEvents::cut_back(folder.path(), None)?.positions(), both);
    assert_eq!(EarlierEvents::cut_back(folder.path(), Some(&longer))?.positions(), longer);
    assert_eq!(files(folder.path())?.len(), 1);
    let kept = EarlierEvents::cut_back(folder.path(), Some(&stored))?;
    assert_eq!((kept.positions(), kept.is_empty()), (stored, false));
    let events = read(&files(folder.path())?[0])?;
    assert_eq!(scalars(&events).iter().map(|(step, ..)| *step).collect::<std::collections::BTreeSet<_>>(), [0].into());
    // A file that is shorter than it was is kept as it is.
    let kept = EarlierEvents::cut_back(folder.path(), Some(&longer))?;
    assert!(kept.positions().values().lt(longer.values()));
    assert!(EarlierEvents::cut_back(folder.path(), Some(&BTreeMap::new()))?.is_empty());
    assert_eq!(files(folder.path())?.len(), 0);
    Ok(())
}

#[test]
fn a_resumed_run_tells_its_settings_once_it_makes_a_step() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let resumed = Example { start_step: 100, ..Example::new(2) };
    let tags = |records: &[i64]| -> Result<Vec<(i64, String)>> {
        let mut board = TensorBoard::create(folder.path(), &resumed.header(), false)?;
        records
            .iter()
            .try_for_each(|number| board.record(&Event::Step(&step(*number, &[Some(1.0), None], &[None, None]))))?;
        board.flush()?;
        let newest = files(folder.path())?.pop().expect("a file");
        Ok(values(&read(&newest)?).map(|(step, value)| (step, value.get_tag().to_string())).collect())
    };
    assert_eq!(tags(&[])?, []);
    let told = tags(&[105, 110])?;
    assert_eq!(told[..2], ["config/text_summary", "environment/text_summary"].map(|tag| (100, tag.to_string())));
    assert!(told.len() > 2 && told[2..].iter().all(|(step, _)| *step >= 105), "{told:?}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_once_and_training_goes_on() -> Result<()> {
    let example = Example::new(2);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let mut board = TensorBoard::over(EventFile::over(full), "/dev/full".into(), &example.header());
    let record = step(0, &[Some(1.0), None], &[Some(1.0), None]);
    board.record(&Event::Step(&record))?;
    assert_eq!(board.warning(), None);
    board.flush()?;
    let warning = board.warning().expect("the disk is full").to_string();
    assert!(warning.starts_with("warning: /dev/full: cannot be written: No space left on device"), "{warning}");
    assert!(warning.contains("\n  hint: make room on the disk"), "{warning}");
    for _ in 0..10_000 {
        board.record(&Event::Step(&record))?;
    }
    board.record(&Event::Parameters { step: 0, tensors: &[] })?;
    board.record(&Event::End { finished: true })?;
    board.flush()?;
    assert_eq!(board.warning(), Some(warning.as_str()));
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    assert!(TensorBoard::create(&file.join("run"), &Example::new(2).header(), true).is_err());
    Ok(())
}
