//! Pages of a list (`bunq-api §8`).

use serde_json::{Value, json};

use super::Bank;
use crate::sandbox::reply::{Ask, Reply};

impl Bank {
    /// A page of `items`, which come as (id, item); the newest is first.
    pub(super) fn page(&self, ask: &Ask, mut items: Vec<(u64, Value)>) -> Reply {
        let number = |name: &str| ask.parameter(name).and_then(|it| it.parse::<u64>().ok());
        let count = number("count")
            .and_then(|it| usize::try_from(it).ok())
            .unwrap_or(10)
            .clamp(1, 200)
            .min(self.behaviour.max_page.max(1));
        items.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let newest = items.first().map_or(0, |(id, _)| *id);
        let oldest = items.last().map_or(0, |(id, _)| *id);
        let mut page: Vec<(u64, Value)> = items;
        if let Some(older) = number("older_id") {
            page.retain(|(id, _)| *id < older);
            page.truncate(count);
        } else if let Some(newer) = number("newer_id") {
            page.retain(|(id, _)| *id > newer);
            page.drain(..page.len().saturating_sub(count));
        } else {
            page.truncate(count);
        }
        let first = page.first().map_or(newest, |(id, _)| *id);
        let last = page.last().map_or(0, |(id, _)| *id);
        let url = |side: &str, id: u64| format!("{}?count={count}&{side}={id}", ask.path);
        let pagination = json!({
            "future_url": (first == newest).then(|| url("newer_id", first)),
            "newer_url": (first < newest).then(|| url("newer_id", first)),
            "older_url": (last > oldest).then(|| url("older_id", last)),
        });
        Reply::Page(page.into_iter().map(|(_, item)| item).collect(), pagination)
    }
}
