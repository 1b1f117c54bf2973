//! What the operator keeps in Kubernetes, as far as the planner sees it: finalizer, journal, and
//! the output Secret.

use bunq_oauth_operator::plan::{Journal, Output};

/// What an output Secret of ours holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The OAuth 2.0 client identifier.
    pub client_id: String,
    /// Its secret.
    pub secret: String,
    /// The URL that apps send.
    pub redirect_url: String,
}

/// The output Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSecret {
    /// It does not exist.
    Absent,
    /// Somebody else's.
    Foreign,
    /// Ours.
    Ours(Credentials),
}

/// The API server.
#[derive(Clone, Debug)]
pub struct KubeModel {
    /// Whether the manifest carries our finalizer.
    pub finalizer: bool,
    /// The journal in the claim.
    pub journal: Journal,
    /// The output Secret.
    pub output: OutputSecret,
    /// What the status remembers of the last publication: an edited Secret does not match it.
    pub published: Option<Credentials>,
}

impl KubeModel {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { finalizer: false, journal: Journal::default(), output: OutputSecret::Absent, published: None }
    }

    /// The pair that a pass starts with: the Secret's, if nobody touched it and it is this client's.
    #[must_use]
    pub fn pair(&self) -> Option<(String, String)> {
        let OutputSecret::Ours(held) = &self.output else { return None };
        let is_intact = self.published.as_ref() == Some(held);
        let is_this_client = self.journal.client_id.as_ref() == Some(&held.client_id);
        (is_intact && is_this_client).then(|| (held.client_id.clone(), held.secret.clone()))
    }

    /// The Secret as the executor judges it, given the pair in hand.
    #[must_use]
    pub fn read_output(&self, pair: Option<&(String, String)>, redirect_url: &str) -> Option<Output> {
        match &self.output {
            OutputSecret::Absent => None,
            OutputSecret::Foreign => Some(Output::Foreign),
            OutputSecret::Ours(held) => {
                let holds =
                    |(client_id, secret): &(String, String)| held.client_id == *client_id && held.secret == *secret;
                Some(Output::Ours { current: pair.is_some_and(holds) && held.redirect_url == redirect_url })
            }
        }
    }
}

impl Default for KubeModel {
    fn default() -> Self {
        Self::new()
    }
}
