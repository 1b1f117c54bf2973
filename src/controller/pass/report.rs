//! What came of a pass, as people are told it.

use kube::ResourceExt;

use super::{end::End, translate, walk::Pass};
use crate::{
    api::{BunqOAuthClient, BunqOAuthClientStatus},
    controller::{
        stop::Stop,
        tell::{
            message,
            status::{self, Findings, Part},
        },
    },
    plan::{Reason, Verdict, Weight},
};

/// Who a tenant grants access to, for the message that says so.
pub(crate) struct Grantee {
    pub(crate) namespace: String,
    pub(crate) service_account: String,
}

/// Reason and message of this end; `None` when the status is to stay as it is.
pub(super) fn headline(end: &End, object: &BunqOAuthClient, grantee: &Grantee) -> Option<(Reason, String)> {
    let namespace = object.namespace().unwrap_or_default();
    match end {
        End::Verdict(Verdict::Released) => None,
        End::Verdict(_) if object.metadata.deletion_timestamp.is_some() => None,
        End::Verdict(verdict) => {
            let name = object.name_any();
            let secret = format!("{namespace}/{}", object.spec.output_secret_name(&name));
            let message = message::of_verdict(verdict, &format!("{namespace}/{name}"), &secret);
            Some((verdict_reason(verdict)?, message))
        }
        End::Waiting(_, waiting) => Some((waiting.reason(), message::of_waiting(*waiting))),
        // Suspended from birth is told; later the last status stays: nothing is looked at (D6).
        End::Stop(Stop::Suspended) if !is_new_or_suspended(object) => None,
        // A look that has its turn later is no news: objects at rest do not move (protocol §9).
        End::Stop(Stop::Limit { .. }) if is_told_of(object, |status| status::is_true(status, "Ready")) => None,
        // An outage is told once.
        End::Stop(Stop::Outage) if is_told_of(object, status::tells_of_an_outage) => None,
        // Somebody else wrote in between; nothing is wrong.
        End::Stop(Stop::Call(error)) if error.status() == Some(409) => None,
        End::Stop(stop) => Some((stop.reason()?, message::of_stop(stop, &grantee.namespace, &grantee.service_account))),
    }
}

/// Whether the status speaks of this very generation, and says this.
fn is_told_of(object: &BunqOAuthClient, says: fn(&BunqOAuthClientStatus) -> bool) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| status.observed_generation == object.metadata.generation && says(status))
}

fn is_new_or_suspended(object: &BunqOAuthClient) -> bool {
    let reason = object.status.as_ref().and_then(status::ready_reason);
    reason.is_none() || reason == Some(Reason::Suspended.as_str())
}

fn verdict_reason(verdict: &Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Synced => Some(Reason::Synced),
        Verdict::Cancelled => Some(Reason::Cancelled),
        Verdict::NothingToCancel => Some(Reason::NothingToCancel),
        Verdict::Stalled(stall) => Some(stall.reason()),
        Verdict::Released => None,
    }
}

/// How the three parts of Ready stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) credentials: Part,
    pub(super) remote: Part,
    pub(super) secret: Part,
}

/// Which part of the whole this end speaks of. The credentials are good where a user is known by them.
pub(super) fn standing(end: &End, reason: Reason, has_user: bool) -> Standing {
    let credentials = if has_user { Part::Good } else { Part::Unseen };
    let unseen = Standing { credentials, remote: Part::Unseen, secret: Part::Unseen };
    match end {
        End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
            Standing { remote: Part::Good, secret: Part::Good, ..unseen }
        }
        End::Verdict(_) | End::Waiting(..) | End::Stop(_) => match reason {
            Reason::SecretNotOwned | Reason::SecretImmutable => Standing { secret: Part::Bad, ..unseen },
            Reason::CredentialsSecretNotFound
            | Reason::CredentialsKeyNotFound
            | Reason::CredentialsKeyEmpty
            | Reason::CredentialsRejected
            | Reason::NotAnApiKey
            | Reason::EnvironmentMismatch
            | Reason::UserChanged
            | Reason::NamespaceNotGranted => Standing { credentials: Part::Bad, ..unseen },
            reason if reason.weight() == Weight::Stalled => Standing { remote: Part::Bad, ..unseen },
            _ => unseen,
        },
    }
}

/// What the status may tell of the client and its Secret.
pub(super) fn findings(pass: &Pass) -> Findings {
    let client = pass.seen.client.present().cloned();
    let client_id = client.as_ref().and_then(|client| client.client_id.as_deref());
    let authorization_url = pass.talk.endpoints().zip(client_id).map(|(endpoints, client_id)| {
        translate::authorization_url(endpoints, client_id, &pass.object.spec.redirect_url)
    });
    Findings {
        environment: pass.talk.environment.map(translate::to_api),
        user_id: pass.ledger.claim().map(|claim| claim.user_id),
        oauth_client_id: pass.seen.journal.oauth_client_id,
        managed_urls: pass.seen.journal.managed_urls.clone(),
        display_name: pass.want.display_name.clone(),
        bound_ip: pass.bound_ip(),
        authorization_url,
        secret_name: Some(pass.outlet.name().to_owned()),
        secret_hash: pass.wanted().map(|wanted| wanted.hash()),
        verified_at: pass.reads.at,
        client,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        controller::fixtures::manifest,
        plan::{Stall, Waiting},
    };

    fn object(metadata: &Value, ready: Option<&str>) -> BunqOAuthClient {
        let mut object = manifest(metadata);
        if let Some(reason) = ready {
            let status = if reason == "Synced" { "True" } else { "Unknown" };
            let status = json!({"observedGeneration": 3, "conditions": [{
                "type": "Ready", "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]});
            object.status = serde_json::from_value(status).unwrap();
        }
        object
    }

    fn told(end: &End, object: &BunqOAuthClient) -> Option<Reason> {
        let grantee = Grantee { namespace: "bunq-operator".to_owned(), service_account: "operator".to_owned() };
        headline(end, object, &grantee).map(|(reason, message)| {
            assert!(!message.is_empty());
            reason
        })
    }

    fn limit() -> Stop {
        Stop::Limit { until: Timestamp::UNIX_EPOCH, call: "POST session-server".to_owned() }
    }

    #[test]
    fn every_end_is_told_by_its_reason_or_leaves_the_status_as_it_is() {
        let plain = object(&json!({}), None);
        let table = [
            (End::Verdict(Verdict::Synced), Some(Reason::Synced)),
            (End::Verdict(Verdict::Cancelled), Some(Reason::Cancelled)),
            (End::Verdict(Verdict::NothingToCancel), Some(Reason::NothingToCancel)),
            (End::Verdict(Verdict::Stalled(Stall::CancelledAtBank)), Some(Reason::CancelledAtBank)),
            (End::Verdict(Verdict::Released), None),
            (End::Waiting(Timestamp::UNIX_EPOCH, Waiting::CreateUnconfirmed), Some(Reason::CreateUnconfirmed)),
            (End::Stop(Stop::Suspended), Some(Reason::Suspended)),
            (End::Stop(Stop::Outage), Some(Reason::BankUnavailable)),
            (End::Stop(limit()), Some(Reason::WaitingForBankLimit)),
            (End::Stop(Stop::Gone), None),
            (End::Stop(Stop::Ending), None),
            (End::Stop(Stop::Withheld), None),
        ];
        for (end, reason) in table {
            assert_eq!(told(&end, &plain), reason, "{end:?}");
        }
    }

    #[test]
    fn what_is_no_news_is_not_told_again() {
        let ready = object(&json!({}), Some("Synced"));
        let away = object(&json!({}), Some("BankUnavailable"));
        let dying = object(&json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), None);
        assert_eq!(told(&End::Stop(limit()), &ready), None);
        assert_eq!(told(&End::Stop(Stop::Suspended), &ready), None);
        assert_eq!(told(&End::Stop(Stop::Outage), &ready), Some(Reason::BankUnavailable));
        assert_eq!(told(&End::Stop(Stop::Outage), &away), None);
        assert_eq!(told(&End::Verdict(Verdict::Synced), &dying), None);
        let edited = object(&json!({"generation": 4}), Some("Synced"));
        assert_eq!(told(&End::Stop(limit()), &edited), Some(Reason::WaitingForBankLimit));
    }

    #[test]
    fn every_end_speaks_of_its_part() {
        let stalled = |stall| End::Verdict(Verdict::Stalled(stall));
        let stop = |secret: &str| End::Stop(Stop::NotAnApiKey { secret: secret.to_owned() });
        let table = [
            (End::Verdict(Verdict::Synced), Reason::Synced, [Part::Good, Part::Good, Part::Good]),
            (stalled(Stall::SecretNotOwned), Reason::SecretNotOwned, [Part::Good, Part::Unseen, Part::Bad]),
            (stalled(Stall::CancelledAtBank), Reason::CancelledAtBank, [Part::Good, Part::Bad, Part::Unseen]),
            (stop("shop/bunq"), Reason::NotAnApiKey, [Part::Bad, Part::Unseen, Part::Unseen]),
            (End::Stop(Stop::Outage), Reason::BankUnavailable, [Part::Good, Part::Unseen, Part::Unseen]),
        ];
        for (end, reason, [credentials, remote, secret]) in table {
            assert_eq!(standing(&end, reason, true), Standing { credentials, remote, secret }, "{end:?}");
        }
        assert_eq!(standing(&End::Stop(Stop::Outage), Reason::BankUnavailable, false).credentials, Part::Unseen);
    }
}
