//! Comments in the code give the reason of a rule by an id; the pages say what it stands for.

use std::{collections::BTreeSet, fs, io, path::Path};

use super::{Outcome, pages, verdict};

/// Where sections are explained, by the name under which comments cite them.
const SECTIONS: &[(&str, &str)] =
    &[("bunq-api §", "docs/bank.md"), ("protocol §", "docs/bank.md"), ("design §", "docs/design.md")];

/// Letters of ids; each id has a row in `docs/design.md`.
const LETTERS: &str = "CDFHLMS";

/// Every id and section that a comment cites is explained.
pub(crate) fn every_id_that_a_comment_cites_is_explained() -> Outcome {
    let mut cites = BTreeSet::new();
    for folder in ["src", "tests"] {
        collect(&pages::root().join(folder), &mut cites).map_err(|error| format!("read {folder}/: {error}"))?;
    }
    if cites.len() < 20 {
        return Err(format!("only {} ids were found", cites.len()));
    }
    let design = pages::page("docs/design.md")?.text;
    let mut faults = Vec::new();
    for cite in cites {
        let section = SECTIONS.iter().find(|(name, _)| cite.starts_with(name));
        let is_explained = match section {
            Some((_, page)) => has_heading(&pages::page(page)?.text, &cite),
            None => design.contains(&format!("\n| {cite} |")),
        };
        if !is_explained {
            faults.push(format!(
                "a comment cites {cite}, which {} does not explain",
                section.map_or("docs/design.md", |it| it.1)
            ));
        }
    }
    verdict(&faults)
}

fn has_heading(text: &str, cite: &str) -> bool {
    let is_it = |line: &str| {
        let title = line.trim_start_matches('#').trim_start();
        line.starts_with('#')
            && title.strip_prefix(cite).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    text.lines().any(is_it)
}

fn collect(place: &Path, cites: &mut BTreeSet<String>) -> io::Result<()> {
    if place.is_dir() {
        for entry in fs::read_dir(place)? {
            collect(&entry?.path(), cites)?;
        }
    } else if place.extension().is_some_and(|extension| extension == "rs") {
        for line in fs::read_to_string(place)?.lines() {
            // `https://` in a string is no comment.
            let comment = line.trim_start().strip_prefix("//").or_else(|| line.split_once(" // ").map(|(_, it)| it));
            cites.extend(comment.map(cited).unwrap_or_default());
        }
    }
    Ok(())
}

/// Ids between back ticks or brackets, and sections without their subsections.
fn cited(comment: &str) -> Vec<String> {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    let ids = words.filter(|word| is_id(word)).map(str::to_owned);
    let sections = SECTIONS.iter().flat_map(|(name, _)| {
        comment.split(name).skip(1).filter_map(move |rest| {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            (!number.is_empty()).then(|| format!("{name}{number}"))
        })
    });
    ids.chain(sections).collect()
}

fn is_id(word: &str) -> bool {
    let mut characters = word.chars();
    let letter = characters.next().is_some_and(|c| LETTERS.contains(c));
    let digits = characters.as_str();
    letter && (1..=2).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit())
}
