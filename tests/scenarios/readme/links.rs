//! Links between pages.

use super::{
    Outcome,
    pages::{self, Page, pages},
    verdict,
};

/// Every relative link leads to a file or folder of the repository, and its anchor to a heading.
pub(crate) fn every_link_leads_somewhere() -> Outcome {
    let pages = pages()?;
    let links: Vec<_> = pages.iter().flat_map(|page| links(page).map(move |link| (page, link))).collect();
    if links.len() < 10 {
        return Err(format!("only {} links were found", links.len()));
    }
    let faults: Vec<String> = links
        .into_iter()
        .filter_map(|(page, (line, link))| {
            let fault = broken(page, link)?;
            Some(format!("{}:{line}: {link}: {fault}", page.path))
        })
        .collect();
    verdict(&faults)
}

fn links(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    page.lines().filter(|(_, _, is_code)| !is_code).flat_map(|(number, line, _)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(move |(target, _)| (number, target)).filter(|(_, target)| !target.contains("://"))
    })
}

fn broken(page: &Page, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let target = if path.is_empty() { page.path.clone() } else { join(folder, path) };
    if !pages::root().join(&target).exists() {
        return Some(format!("there is no {target}"));
    }
    let anchor = anchor?;
    match pages::page(&target) {
        Ok(page) if headings(&page).any(|heading| heading == anchor) => None,
        Ok(_) => Some(format!("{target} has no such heading")),
        Err(error) => Some(error),
    }
}

/// `docs` and `../src` is `src`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Headings as anchors: lower case, spaces as hyphens, and nothing but letters, digits and those.
pub(super) fn headings(page: &Page) -> impl Iterator<Item = String> {
    let titles = page.lines().filter(|(_, line, is_code)| !is_code && line.starts_with('#'));
    titles.map(|(_, line, _)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>()
            .replace(' ', "-")
    })
}
