//! The claim that a pass works under, and its journal. Nobody here talks to the bank.

use crate::{
    controller::{
        claim::{Claim, Claims},
        stop::Stop,
    },
    plan::{Journal, Mutation, Observed},
    telemetry,
};

/// The claim that a pass works under.
pub(super) struct Ledger {
    claims: Claims,
    claim: Option<Claim>,
    /// Namespace and name of the manifest, for messages.
    object: String,
}

impl Ledger {
    pub(super) fn new(claims: Claims, object: String) -> Self {
        Self { claims, claim: None, object }
    }

    /// Works under this claim from now on.
    pub(super) fn hold(&mut self, claim: Option<Claim>) {
        self.claim = claim;
    }

    pub(super) fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// Stores the journal, if nobody else wrote the claim since it was read.
    pub(super) async fn record(&mut self, journal: &Journal) -> Result<(), Stop> {
        let claim = self.claim.as_ref().ok_or_else(|| Stop::Corrupt {
            what: self.object.clone(),
            reason: "there is no claim to record into".to_owned(),
        })?;
        let claim = Claim { journal: journal.clone(), ..claim.clone() };
        self.claim = Some(self.claims.store(&claim).await?);
        Ok(())
    }

    /// A change that certainly was not carried out leaves no doubt behind.
    pub(super) async fn unannounce(&mut self, journal: &Journal, mutation: &Mutation) -> Result<(), Stop> {
        let mut journal = journal.clone();
        match mutation.target() {
            None => journal.create_sent = None,
            Some(target) => journal.forget_sending(&target),
        }
        self.record(&journal).await
    }

    /// What the bank answered is written down also where the pass cannot go on for now: the next one would take the
    /// change for one without an answer, wait, and send it again.
    pub(super) async fn keep(&mut self, seen: &Observed) {
        if self.claim.is_none() || seen.journal == seen.stored {
            return;
        }
        if let Err(stop) = self.record(&seen.journal).await {
            tracing::info!(error = telemetry::chain(&stop), "what the bank answered could not be written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::fixtures::{Scripted, refusal};

    const CLAIM: &str = "PUT /api/v1/namespaces/bunq-operator/configmaps/bunq-user-sandbox-7";

    fn stored(body: &Value, version: &str) -> Value {
        let mut map = body.clone();
        map["metadata"]["resourceVersion"] = json!(version);
        map
    }

    /// A ledger whose claim is of version 1.
    fn ledger(server: &Scripted, answer: fn(&Value) -> (u16, Value)) -> Ledger {
        let client = server.client(move |_, body| answer(body));
        let mut ledger = Ledger::new(Claims::new(client, "bunq-operator"), "shop/app".to_owned());
        let map = serde_json::from_value(json!({
            "metadata": {"name": "bunq-user-sandbox-7", "uid": "c1", "resourceVersion": "1"},
            "data": {
                "owner": "{\"uid\":\"u1\",\"namespace\":\"shop\",\"name\":\"app\"}",
                "environment": "Sandbox", "userId": "7", "context": "x",
                "journal": serde_json::to_string(&Journal::default()).unwrap(),
            },
        }));
        ledger.hold(Some(Claim::read(&map.unwrap()).unwrap()));
        ledger
    }

    fn version(ledger: &Ledger) -> Option<&str> {
        ledger.claim()?.resource_version.as_deref()
    }

    fn changed() -> Observed {
        let journal = Journal { oauth_client_id: Some(5), ..Journal::default() };
        Observed { journal, ..Observed::default() }
    }

    #[tokio::test]
    async fn what_is_recorded_stands_in_the_claim_and_is_written_over_what_was_read() {
        let server = Scripted::default();
        let mut ledger = ledger(&server, |body| {
            assert_eq!(body["metadata"]["resourceVersion"], "1");
            (200, stored(body, "2"))
        });
        ledger.record(&changed().journal).await.unwrap();
        assert_eq!(version(&ledger), Some("2"));
        assert_eq!(ledger.claim().unwrap().journal.oauth_client_id, Some(5));
        assert_eq!(server.asked(), [CLAIM]);
    }

    #[tokio::test]
    async fn a_refused_write_keeps_the_old_claim() {
        let server = Scripted::default();
        let mut ledger = ledger(&server, |_| refusal(409, "Conflict"));
        let refused = ledger.record(&changed().journal).await;
        assert!(matches!(refused, Err(Stop::Call(error)) if error.status() == Some(409)));
        assert_eq!(version(&ledger), Some("1"));
        assert_eq!(ledger.claim().unwrap().journal, Journal::default());
    }

    #[tokio::test]
    async fn only_what_differs_is_kept_when_a_pass_must_end() {
        let server = Scripted::default();
        let mut ledger = ledger(&server, |body| (200, stored(body, "2")));
        ledger.keep(&Observed::default()).await;
        assert!(server.asked().is_empty(), "nothing was learned");
        ledger.keep(&changed()).await;
        assert_eq!(server.asked(), [CLAIM]);
        ledger.hold(None);
        ledger.keep(&changed()).await;
        assert_eq!(server.asked().len(), 1, "there is no claim to keep it in");
    }
}
