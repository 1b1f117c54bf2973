//! What the resource's rules accept and refuse: one table, judged by the Rust
//! rules, by kube's CEL and by a real API server.

mod secrets;
mod server;
mod specs;
mod urls;

#[cfg(test)]
mod tests;

pub use server::verdicts_of_the_api_server;
pub use specs::{SpecCase, manifest, spec_cases};
pub use urls::url_cases;

/// Every case: the table of specs, and each URL as the redirect URL of one.
#[must_use]
pub fn all_cases() -> Vec<SpecCase> {
    let urls = url_cases().into_iter().map(|(url, accepted)| SpecCase {
        name: format!("redirect URL {url:?}"),
        object: manifest(&serde_json::json!({"spec": {"redirectUrl": url}})),
        old: None,
        accepted,
        field: "spec.redirectUrl",
    });
    spec_cases().into_iter().chain(urls).collect()
}
