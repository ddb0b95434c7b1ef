//! A `.parquet` table as the text of a CSV, so that all that is known of cells holds for it too.

use crate::error::Mistake;
use anyhow::Result;
use std::fs::File;
use std::path::Path;

/// The rows as a CSV with a header; a null is an empty cell.
///
/// # Errors
/// Polytask was built without the feature.
#[cfg(not(feature = "parquet"))]
pub(super) fn text(path: &Path, _file: File) -> Result<Vec<u8>> {
    Err(Mistake::new(path.display(), "parquet files are not read by this build")
        .remedy("build with --features parquet, or write the table as .csv.gz")
        .into())
}

/// The rows as a CSV with a header; a null is an empty cell.
///
/// # Errors
/// It is no whole parquet file, or a column holds lists or records.
#[cfg(feature = "parquet")]
pub(super) fn text(path: &Path, file: File) -> Result<Vec<u8>> {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    let damaged = |error: &dyn std::fmt::Display| {
        let what = format!("is no whole parquet file ({error})");
        Mistake::new(path.display(), what)
            .remedy("write it again; snappy, zstd and gzip are the compressions that are read")
    };
    let reader = SerializedFileReader::new(file).map_err(|error| damaged(&error))?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    if let Some(nested) = fields.iter().find(|field| !field.is_primitive()) {
        let what = format!("holds lists or records in column \"{}\"", nested.name());
        return Err(Mistake::new(path.display(), what).remedy("write one column per value").into());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields.iter().map(|field| field.name()))?;
    for row in reader.get_row_iter(None).map_err(|error| damaged(&error))? {
        let row = row.map_err(|error| damaged(&error))?;
        writer.write_record(row.get_column_iter().map(|(_, field)| cell(field)))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// A value as a CSV writes it.
#[cfg(feature = "parquet")]
fn cell(field: &::parquet::record::Field) -> String {
    use ::parquet::record::Field;
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Float(number) if number.is_nan() => String::new(),
        Field::Double(number) if number.is_nan() => String::new(),
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        Field::Bool(value) => u8::from(*value).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Data, Dataset, Request};
    use crate::tasks::{Task, TaskSettings};
    use std::fs;

    fn load(bytes: &[u8]) -> Result<Dataset> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rows.parquet"), bytes).expect("written");
        let task = "{name: y, loss: {name: binary_cross_entropy}}";
        let task: Task = serde_yaml::from_str::<TaskSettings>(task).expect("a task").checked().expect("fits");
        let tasks = [task];
        let request = Request::new(&tasks, 1, tch::Kind::Float, folder.path());
        let text = "{name: csv, train: rows.parquet, categorical: [c], standardize: false}";
        serde_yaml::from_str::<Data>(text).expect("settings").load(&request)
    }

    #[cfg(not(feature = "parquet"))]
    #[test]
    fn without_the_feature_the_way_to_it_is_told() {
        let error = load(b"PAR1").expect_err("not read");
        let report = crate::error::report(&error);
        assert!(report.contains("rows.parquet: ") && report.contains("build with --features parquet"), "{report}");
    }

    #[cfg(feature = "parquet")]
    mod with {
        use super::*;
        use ::parquet::column::writer::ColumnWriter;
        use ::parquet::data_type::ByteArray;
        use ::parquet::file::writer::SerializedFileWriter;
        use ::parquet::schema::parser::parse_message_type;
        use std::sync::Arc;
        use tch::Tensor;

        /// Three rows; the label of the second is null.
        fn file() -> Vec<u8> {
            let schema =
                "message rows { required double x; required binary c (UTF8); optional boolean y; required int32 n; }";
            let schema = Arc::new(parse_message_type(schema).expect("a schema"));
            let mut bytes = Vec::new();
            let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).expect("a writer");
            let mut group = writer.next_row_group().expect("a group");
            while let Some(mut column) = group.next_column().expect("a column") {
                match column.untyped() {
                    ColumnWriter::DoubleColumnWriter(it) => it.write_batch(&[0.1, -2.5, 1e-7], None, None),
                    ColumnWriter::ByteArrayColumnWriter(it) => {
                        it.write_batch(&["a,b", "", "a,b"].map(ByteArray::from), None, None)
                    }
                    ColumnWriter::BoolColumnWriter(it) => it.write_batch(&[true, false], Some(&[1, 0, 1]), None),
                    ColumnWriter::Int32ColumnWriter(it) => it.write_batch(&[7, 8, -9], None, None),
                    _ => unreachable!("four columns"),
                }
                .expect("written");
                column.close().expect("closed");
            }
            group.close().expect("closed");
            writer.close().expect("closed");
            bytes
        }

        fn numbers(tensor: &Tensor) -> Vec<f32> {
            Vec::try_from(tensor.reshape([-1])).expect("numbers")
        }

        #[test]
        fn its_columns_are_those_of_a_csv() {
            let data = load(&file()).expect("loads");
            let group = &data.train[0];
            assert_eq!(numbers(&group.inputs[0].1), [0.1, 0., 1., 7., -2.5, 1., 0., 8., 1e-7, 0., 1., -9.]);
            assert_eq!(numbers(&group.targets[0].values), [1., 0., 0.]);
            assert_eq!(numbers(group.targets[0].weights.as_ref().expect("weights")), [1., 0., 1.]);
        }

        #[test]
        fn a_cut_file_is_named() {
            let bytes = file();
            for bytes in [&bytes[..bytes.len() - 3], &b"PAR1"[..]] {
                let error = load(bytes).expect_err("cut").to_string();
                assert!(error.contains("rows.parquet: is no whole parquet file"), "{error}");
            }
        }
    }
}
