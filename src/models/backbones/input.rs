//! What a backbone can take, and how it says so.

use crate::error::BadSetting;
use crate::models::layers::Window;

/// `[C, H, W]` of rows that are images.
pub(super) fn image(input: &[i64]) -> Result<[i64; 3], BadSetting> {
    <[i64; 3]>::try_from(input).map_err(|_| {
        BadSetting::new("", format!("reads images [channels, height, width], and a row is of shape {input:?}"))
            .remedy("give images, or choose a backbone for such rows, such as mlp")
    })
}

/// A window must fit: `name` says whose.
pub(super) fn fits(window: Window, maps: &[i64], name: &str) -> Result<(), BadSetting> {
    if maps[1..].iter().all(|side| window.side(*side) > 0) {
        return Ok(());
    }
    let what = format!(
        "the images are too small: {name} has a window of {} pixels, and maps of {} by {} come in",
        window.kernel_size, maps[1], maps[2]
    );
    Err(BadSetting::new("", what).remedy("give larger images, or fewer and smaller layers"))
}

/// `[L, F]` of rows that are sequences of vectors.
pub(super) fn sequence(input: &[i64]) -> Result<[i64; 2], BadSetting> {
    <[i64; 2]>::try_from(input).map_err(|_| {
        let bad = BadSetting::new(
            "",
            format!("reads sequences of vectors [length, features], and a row is of shape {input:?}"),
        );
        let ids = "set vocabulary, the number of ids, if a row is a sequence of ids";
        bad.remedy(if input.len() == 1 { ids } else { "choose a backbone for such rows" })
    })
}

/// `L` of rows that are sequences of ids.
pub(super) fn ids(input: &[i64]) -> Result<i64, BadSetting> {
    match input {
        [length] => Ok(*length),
        other => {
            let what = format!("ids come as sequences [length], and a row is of shape {other:?}");
            Err(BadSetting::new("vocabulary", what).remedy("leave it out, if a row is a sequence of vectors"))
        }
    }
}
