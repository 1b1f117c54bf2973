//! A part of a page that is made from the code.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use super::{Outcome, pages};

/// Set to write the parts instead of comparing them.
const UPDATE: &str = "UPDATE_README";

/// Checks run side by side, and two tables may stand on one page.
static PAGE: Mutex<()> = Mutex::new(());

/// What stands between `<!-- name:begin -->` and `<!-- name:end -->` of the page is `fresh`.
pub(super) fn holds(path: &str, name: &str, fresh: &str) -> Outcome {
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = pages::page(path)?;
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let parts = page.text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let Some((before, (stored, after))) = parts else {
        return Err(format!("{path} has no {} … {end}", begin.trim()));
    };
    if stored == fresh {
        return Ok(());
    }
    if std::env::var_os(UPDATE).is_some() {
        let text = format!("{before}{begin}{fresh}{end}{after}");
        return replace(path, &text).map_err(|error| format!("write {path}: {error}"));
    }
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let (stored, fresh) = (lines(stored), lines(fresh));
    let gone = stored.iter().filter(|line| !fresh.contains(line)).map(|line| format!("- {line}"));
    let new = fresh.iter().filter(|line| !stored.contains(line)).map(|line| format!("+ {line}"));
    let difference: Vec<String> = gone.chain(new).collect();
    Err(format!(
        "the table {name} of {path} is not the code's:\n{}\nWrite it anew: {UPDATE}=1 cargo test --package testbed --test scenarios -- _table_is_",
        difference.join("\n")
    ))
}

/// At once, because other checks read the page meanwhile.
fn replace(path: &str, text: &str) -> std::io::Result<()> {
    let beside = pages::root().join(format!("{path}.new"));
    fs::write(&beside, text)?;
    fs::rename(beside, pages::root().join(path))
}
