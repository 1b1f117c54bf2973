//! What people read in conditions and Events: the object, the cause, the next step (protocol §13).

use crate::{
    bunq::MAX_REINSTALLATIONS_PER_DAY,
    controller::stop::{Refused, Rejection, Stop},
    plan::{Reason, Stall, Verdict, Waiting},
    telemetry,
};

fn of_rejection(rejection: &Rejection) -> String {
    let Rejection { of, environment, object, credentials, .. } = rejection;
    let retry = retry_command(object);
    match of {
        // The one answer that the bank gives for five causes.
        Refused::Key => {
            let age = rejection.credentials_age.map(|age| age.as_hours().max(0));
            let age = age.map_or_else(String::new, |hours| {
                format!(" (the Secret is {hours} h old, unused keys die after 1–4 h)")
            });
            let bound = rejection.bound_ip.as_ref().map_or_else(String::new, |ip| format!(" (last bound: {ip})"));
            format!(
                "bunq refused this API key. It gives one answer for five causes: wrong key; wrong environment (tried: {environment}); \
                 never used and expired{age}; first used from another address; our address not permitted{bound}. \
                 Fix it in the bunq app (Security & Settings → Developers → API keys) or put a new key into Secret {credentials}. \
                 Retry now: {retry}. The published Secret is unchanged."
            )
        }
        // A session that the bank opened and does not accept.
        Refused::Session(answer) => format!(
            "bunq opened a session with the API key in Secret {credentials} and then refused it ({answer}). The key may lack permission, or somebody \
             revoked it. Put a new key into the Secret. Retry now: {retry}. The published Secret is unchanged."
        ),
    }
}

/// The command that asks for a pass now.
fn retry_command(object: &str) -> String {
    let (namespace, name) = object.split_once('/').unwrap_or(("default", object));
    format!("kubectl -n {namespace} annotate boc {name} reconcile.fluxcd.io/requestedAt=$(date +%s) --overwrite")
}

/// The API server forbids in one way what rights, quotas and policies stand against, and names the quota or the
/// policy (`F38`).
fn way_out_of_refusal(told: &str) -> &'static str {
    if told.contains("exceeded quota") {
        return "Raise the quota, or make room in it.";
    }
    if ["ValidatingAdmissionPolicy", "admission webhook", "is invalid"].iter().any(|word| told.contains(word)) {
        return "Change the policy that refuses it.";
    }
    "Install the RBAC of this version of the operator."
}

/// The message of a pass that stopped early.
pub(crate) fn of_stop(stop: &Stop, operator_namespace: &str, service_account: &str) -> String {
    match stop {
        Stop::Suspended => Reason::Suspended.meaning().to_owned(),
        Stop::NamespaceNotGranted { namespace } => format!(
            "the operator may not use Secrets in namespace {namespace}. A namespace admin grants it with: kubectl -n {namespace} create rolebinding \
             bunq-oauth-operator-tenant --clusterrole=bunq-oauth-operator-tenant --serviceaccount={operator_namespace}:{service_account}"
        ),
        Stop::CredentialsSecretNotFound { secret } => {
            format!("Secret {secret} with the API key does not exist. Create it; the operator notices within seconds.")
        }
        Stop::CredentialsKeyNotFound { secret, key } => {
            format!(
                "Secret {secret} has no key {key}. Add it, or name the right one in spec.credentials.apiKeySecretRef.key."
            )
        }
        Stop::CredentialsKeyEmpty { secret, key } => {
            format!("key {key} of Secret {secret} is empty. Put the API key there.")
        }
        Stop::EnvironmentMismatch { wanted, found, pinned: false, secret } => {
            format!(
                "spec.environment is {wanted} and the API key in Secret {secret} belongs to {found}. No call was made. Use a key of {wanted}."
            )
        }
        Stop::EnvironmentMismatch { wanted, found, pinned: true, secret } => format!(
            "this object is pinned to {wanted} and the API key in Secret {secret} belongs to {found}. No call was made. \
             Put back a key of {wanted}, or use a new BunqOAuthClient for {found}."
        ),
        Stop::CredentialsRejected(rejection) => of_rejection(rejection),
        Stop::NotAnApiKey { secret } => format!(
            "the key in Secret {secret} opens the session of an app's user: it is an OAuth access token. Put the account owner's own API key there."
        ),
        Stop::UserChanged { claimed, found, client_id } => {
            let way = client_id.as_ref().map_or_else(String::new, |id| {
                format!(", or allow a new client with the annotation bunq-operator.io/allow-new-client: \"{id}\" (apps then get new credentials)")
            });
            format!(
                "the API key belongs to bunq user {found} and the client of this object to user {claimed}. Put back a key of user {claimed}{way}."
            )
        }
        Stop::UserAlreadyClaimed { claim } => {
            format!("another BunqOAuthClient manages this bunq user. Ask the operator's admins about {claim}.")
        }
        Stop::Limit { call, .. } => {
            format!("{call} waits for its turn: bunq allows few calls per address. The operator goes on by itself.")
        }
        Stop::InstalledTooOften { until } => format!(
            "bunq wanted a new installation of this API key {MAX_REINSTALLATIONS_PER_DAY} times within a day; the operator makes the next one at {until:.0}. \
             Does something else use this key? With a new key in the Secret it goes on at once."
        ),
        Stop::ServerSignatureInvalid { context } => format!(
            "the bank's signatures have been invalid for over an hour. If no proxy changes its answers, delete Secret {context}: \
             the operator then makes a new installation."
        ),
        Stop::Outage => {
            "bunq cannot be reached. The operator asks every 20 seconds and goes on by itself when it is back."
                .to_owned()
        }
        Stop::KeyPair { .. } | Stop::Corrupt { .. } => format!(
            "{}. Nothing is done on a guess. Ask the operator's admins to mend or delete this object in namespace {operator_namespace}.",
            telemetry::chain(stop)
        ),
        Stop::UnknownFormat { .. } => format!(
            "{}. A newer version wrote it, and this one writes nothing over it. Ask the operator's admins to run that version again.",
            telemetry::chain(stop)
        ),
        Stop::Call(error) if matches!(error.status(), Some(403 | 422)) => {
            let told = telemetry::chain(stop);
            let way_out = way_out_of_refusal(&told);
            format!("{told}. {way_out}")
        }
        Stop::Bank { .. } if stop.reason() == Some(Reason::BankNotTrusted) => format!(
            "{}. No key was sent. Look for a proxy between the operator and bunq, at the operator's clock, its base URLs and --bunq-ca-file. \
             The operator tries again by itself.",
            telemetry::chain(stop)
        ),
        Stop::Bank { .. } | Stop::Call(_) => {
            format!("{}. The operator tries again by itself.", telemetry::chain(stop))
        }
        Stop::InvalidSpec { .. } => format!("{}. Mend the manifest.", telemetry::chain(stop)),
        Stop::Gone | Stop::Ending | Stop::Withheld | Stop::BackingOff { .. } => telemetry::chain(stop),
    }
}

/// The message of a pass that has to wait.
pub(crate) fn of_waiting(waiting: Waiting) -> String {
    let reason = waiting.reason();
    format!("{} {}", reason.meaning(), reason.remedy())
}

/// The message of a pass that came to an end.
pub(crate) fn of_verdict(verdict: &Verdict, object: &str, secret: &str) -> String {
    match verdict {
        Verdict::Synced => format!("the OAuth client at bunq and Secret {secret} are as declared"),
        Verdict::Cancelled => "the OAuth client is CANCELLED, as declared; its Secret is kept".to_owned(),
        Verdict::NothingToCancel => "the bunq user has no OAuth client, so there is nothing to cancel".to_owned(),
        Verdict::Released => "released".to_owned(),
        Verdict::Stalled(stall) => format!("{} Retry now: {}.", of_stall(stall, secret), retry_command(object)),
    }
}

fn of_stall(stall: &Stall, secret: &str) -> String {
    let allow = |client_id: &str| {
        format!(
            "Allow a new client with the annotation bunq-operator.io/allow-new-client: \"{client_id}\"; apps then get new credentials."
        )
    };
    let said = |text: &Option<String>| {
        text.as_ref().map_or_else(|| "it accepted and did nothing".to_owned(), |text| format!("it said \"{text}\""))
    };
    match stall {
        Stall::SecretNotOwned => format!("Secret {secret} exists and belongs to somebody else; it stays untouched. Delete or rename it, or set spec.secret.name."),
        Stall::SecretImmutable => format!("Secret {secret} is marked immutable and no longer holds what it should. Delete it; the operator writes it anew."),
        Stall::ClientExists { client_id } => {
            format!("the bunq user has the OAuth client {client_id} and adoptionPolicy is Never. Set adoptionPolicy: Adopt to take it over.")
        }
        Stall::AmbiguousClients { count } => {
            format!("the bunq user has {count} ACTIVE OAuth clients and the operator does not guess. Cancel all but one in the bunq app.")
        }
        Stall::AdoptionWouldCancel { client_id } => format!(
            "the bunq user has the ACTIVE OAuth client {client_id}, which this object never managed. Set spec.status: ACTIVE first (that adopts it), then CANCELLED."
        ),
        Stall::ClientVanished { client_id } => format!("the bank no longer knows the OAuth client {client_id}. {}", allow(client_id)),
        Stall::CreateRefused { text } => {
            format!("the bank refused every known form of the request to create a client; it said \"{text}\". Edit the spec, or try again later.")
        }
        Stall::CancelledAtBank => {
            "somebody cancelled the OAuth client at the bank; a kill switch is not undone. Set spec.status: CANCELLED, then ACTIVE.".to_owned()
        }
        Stall::CancelRefused { text } => format!("the bank did not cancel the OAuth client: {}. Cancel it in the bunq app.", said(text)),
        Stall::ReactivationRefused { text, client_id } => {
            format!("the bank did not make the OAuth client ACTIVE again: {}. {}", said(text), allow(client_id))
        }
        Stall::RedirectUrlRefused { url, text } => format!("the bank refused the redirect URL {url}; it said \"{text}\". Edit the URL."),
        Stall::RedirectUrlNotApplied { sent, stored: Some(stored) } if !stored.is_ascii() => format!(
            "redirect mismatch: the redirect URL {sent} was sent and the bank stores {stored}, which no manifest can declare. \
             Declare a URL of another host."
        ),
        Stall::RedirectUrlNotApplied { sent, stored: Some(stored) } => format!(
            "redirect mismatch: the redirect URL {sent} was sent and the bank stores {stored}. Declare {stored}, byte by byte, here and in your app."
        ),
        Stall::RedirectUrlNotApplied { sent, stored: None } => {
            format!("the redirect URL {sent} was accepted and the bank does not show it. Register it in the bunq app, or edit it.")
        }
        Stall::RedirectUrlOccupied { stored } => format!(
            "the OAuth client has room for one redirect URL and holds {}, which is not ours. Set pruneRedirectUrls: true to replace it.",
            stored.as_deref().unwrap_or("one that the bank does not show")
        ),
        Stall::OneRedirectUrlOnly => "the OAuth client has room for one redirect URL. Remove spec.additionalRedirectUrls.".to_owned(),
        Stall::DriftContested { what } => format!("{what} was undone at the bank three times within an hour. Find the other writer."),
        Stall::ClientSecretNotShown { client_id } => format!(
            "the bank does not show the secret of the OAuth client {client_id}, so there is nothing to publish. If that stays, set spec.status: CANCELLED, \
             then ACTIVE with the annotation bunq-operator.io/allow-new-client: \"{client_id}\"."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_stall() -> Vec<Stall> {
        let text = || "no".to_owned();
        vec![
            Stall::SecretNotOwned,
            Stall::SecretImmutable,
            Stall::ClientExists { client_id: text() },
            Stall::AmbiguousClients { count: 2 },
            Stall::AdoptionWouldCancel { client_id: text() },
            Stall::ClientVanished { client_id: text() },
            Stall::CreateRefused { text: text() },
            Stall::CancelledAtBank,
            Stall::CancelRefused { text: None },
            Stall::ReactivationRefused { text: Some(text()), client_id: text() },
            Stall::RedirectUrlRefused { url: text(), text: text() },
            Stall::RedirectUrlNotApplied { sent: text(), stored: Some(text()) },
            Stall::RedirectUrlNotApplied { sent: text(), stored: Some("ü".to_owned()) },
            Stall::RedirectUrlNotApplied { sent: text(), stored: None },
            Stall::RedirectUrlOccupied { stored: None },
            Stall::OneRedirectUrlOnly,
            Stall::DriftContested { what: text() },
            Stall::ClientSecretNotShown { client_id: text() },
        ]
    }

    #[test]
    fn every_message_ends_with_the_command_that_retries() {
        for stall in every_stall() {
            let message = of_verdict(&Verdict::Stalled(stall.clone()), "shop/app", "shop/app");
            assert!(
                message.ends_with(
                    "kubectl -n shop annotate boc app reconcile.fluxcd.io/requestedAt=$(date +%s) --overwrite."
                ),
                "{stall:?}: {message}"
            );
        }
    }

    #[test]
    fn an_ungranted_namespace_is_told_the_exact_command() {
        let stop = Stop::NamespaceNotGranted { namespace: "shop".to_owned() };
        let message = of_stop(&stop, "bunq-operator", "bunq-oauth-operator");
        assert!(message.contains(
            "kubectl -n shop create rolebinding bunq-oauth-operator-tenant --clusterrole=bunq-oauth-operator-tenant \
             --serviceaccount=bunq-operator:bunq-oauth-operator"
        ), "{message}");
    }

    #[test]
    fn what_cannot_be_read_says_who_can_mend_it() {
        let stop = Stop::Corrupt { what: "ConfigMap x".to_owned(), reason: "it has no owner".to_owned() };
        let message = of_stop(&stop, "bunq-operator", "bunq-oauth-operator");
        assert_eq!(
            message,
            "read ConfigMap x: it has no owner. Nothing is done on a guess. Ask the operator's admins to mend or delete this object in namespace bunq-operator."
        );
    }
}
