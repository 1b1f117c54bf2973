//! What the manifest asks for and what the bank said, in the planner's words.

use std::fmt::Write as _;

use kube::ResourceExt;

use crate::{
    api::{self, AdoptionPolicy, BunqOAuthClient, DeletionPolicy},
    bunq,
    controller::{manifests::Pair, stop::Stop},
    plan::{Cause, Client, ClientStatus, Desired, DesiredStatus, Entry, Urls},
};

/// What this generation asks for. `key` is a fingerprint of the credentials.
pub(crate) fn desired(object: &BunqOAuthClient, key: &str) -> Desired {
    let spec = &object.spec;
    let annotation = |name: &str| object.annotations().get(name).cloned();
    Desired {
        cause: Cause {
            generation: object.metadata.generation.unwrap_or_default(),
            requested_at: requested_at(object),
            key: key.to_owned(),
        },
        display_name: spec.display_name.clone(),
        status: match spec.status {
            api::DesiredStatus::Active => DesiredStatus::Active,
            api::DesiredStatus::Cancelled => DesiredStatus::Cancelled,
        },
        urls: spec.wanted_urls().map(str::to_owned).collect(),
        adopt: spec.adoption_policy == AdoptionPolicy::Adopt,
        prune: spec.prune_redirect_urls,
        cancel_on_delete: spec.deletion_policy == DeletionPolicy::Cancel,
        deleting: object.metadata.deletion_timestamp.is_some(),
        suspended: spec.suspend,
        confirm_cancel: annotation(api::ANNOTATION_CONFIRM_CANCEL),
        allow_new_client: annotation(api::ANNOTATION_ALLOW_NEW_CLIENT),
    }
}

/// The annotation by which a person asks for a pass now.
pub(crate) fn requested_at(object: &BunqOAuthClient) -> Option<String> {
    let value = object.annotations().get(api::ANNOTATION_REQUESTED_AT)?;
    Some(value.chars().take(api::status::MAX_REQUESTED_AT).collect())
}

/// A client as the planner sees it, and the pair that this read carried.
pub(crate) fn client(read: &bunq::OauthClient) -> (Client, Option<Pair>) {
    let pair = read.client_id.clone().zip(read.secret.clone()).map(|(client_id, secret)| Pair { client_id, secret });
    let client = Client {
        id: read.id,
        client_id: read.client_id.clone(),
        status: match &read.status {
            bunq::ClientStatus::Active => ClientStatus::Active,
            bunq::ClientStatus::Cancelled => ClientStatus::Cancelled,
            bunq::ClientStatus::CancelledPending => ClientStatus::CancelledPending,
            bunq::ClientStatus::Other(_) => ClientStatus::Other,
        },
        display_name: read.display_name.clone(),
        has_secret: read.secret.is_some(),
        urls: urls(&read.urls),
    };
    (client, pair)
}

/// An array decides, even an empty one; then the scalar (protocol §4).
fn urls(read: &bunq::Urls) -> Urls {
    match (&read.array, &read.scalar) {
        (Some(array), _) => Urls::Entries(entries(array)),
        (None, Some(url)) => Urls::Single(url.clone()),
        (None, None) => Urls::NotShown,
    }
}

/// The entries of a sub-resource.
pub(crate) fn entries(urls: &[bunq::CallbackUrl]) -> Vec<Entry> {
    urls.iter().map(|url| Entry { id: url.id, url: url.url.clone() }).collect()
}

/// The environment of this pass: the manifest's, else the key's; they must agree (D10).
pub(crate) fn environment(
    object: &BunqOAuthClient,
    key: &bunq::ApiKey,
    secret: &str,
) -> Result<bunq::Environment, Stop> {
    let found = key.environment();
    match object.spec.environment.map(of_api) {
        Some(wanted) if wanted != found => Err(Stop::EnvironmentMismatch {
            wanted: wanted.as_str(),
            found: found.as_str(),
            pinned: false,
            secret: secret.to_owned(),
        }),
        Some(_) | None => Ok(found),
    }
}

/// The bank's word for the manifest's.
pub(crate) fn of_api(environment: api::Environment) -> bunq::Environment {
    match environment {
        api::Environment::Production => bunq::Environment::Production,
        api::Environment::Sandbox => bunq::Environment::Sandbox,
    }
}

/// The manifest's word for the bank's.
pub(crate) fn to_api(environment: bunq::Environment) -> api::Environment {
    match environment {
        bunq::Environment::Production => api::Environment::Production,
        bunq::Environment::Sandbox => api::Environment::Sandbox,
    }
}

/// Where an application sends its users: the other half of the job (design §2).
pub(crate) fn authorization_url(endpoints: &bunq::Endpoints, client_id: &str, redirect_url: &str) -> String {
    format!(
        "{}?response_type=code&client_id={}&redirect_uri={}",
        endpoints.authorize,
        percent_encode(client_id),
        percent_encode(redirect_url)
    )
}

/// Everything but RFC 3986's unreserved characters.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn a_redirect_url_is_encoded_for_a_query() {
        assert_eq!(percent_encode("https://a.example/x?y=1&z=~"), "https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z%3D~");
    }
}
