//! Every reason that a condition can carry, what it means and what to do about it.
//!
//! The README's table is made from [`Reason::ALL`].

/// What a reason means for the people who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As declared.
    Ready,
    /// Under way, or retried without anybody's help.
    Reconciling,
    /// A person has to act.
    Stalled,
    /// Put aside by `spec.suspend`.
    Suspended,
}

macro_rules! reasons {
    ($($name:ident $weight:ident $meaning:literal $remedy:literal;)+) => {
        /// The reason of a condition: CamelCase, specific, stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in the condition.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it means for those who wait.
            #[must_use]
            pub fn weight(self) -> Weight {
                match self { $(Self::$name => Weight::$weight,)+ }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What to do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

reasons! {
    Synced Ready "Bank and Secret are as declared." "Nothing.";
    Cancelled Ready "The client is CANCELLED, as declared; the Secret is kept." "Nothing. Set `spec.status: ACTIVE` to reactivate it.";
    NothingToCancel Ready "CANCELLED was declared and the user has no client." "Nothing.";
    Suspended Suspended "`spec.suspend` is true: the bank is not called." "Set `spec.suspend: false`.";
    Progressing Reconciling "The operator is at work on this generation." "Wait.";
    CredentialsSecretNotFound Reconciling "The Secret with the API key does not exist." "Create it; the operator notices within seconds.";
    CredentialsKeyNotFound Reconciling "The Secret exists and lacks the key that `apiKeySecretRef.key` names." "Add the key, or name the one it has.";
    CredentialsKeyEmpty Reconciling "The API key in the Secret is empty." "Put the API key there.";
    WaitingForBankLimit Reconciling "bunq allows few calls per address (one new session in 30 seconds); this call has its turn later." "Wait; `status.nextAttemptTime` tells until when.";
    BankUnavailable Reconciling "bunq cannot be reached, is under maintenance, or refuses for being asked too often." "Wait. Published credentials stay valid and Ready.";
    BankNotTrusted Reconciling "TLS with bunq failed: no trusted certificate for this host and this day, or no TLS 1.2. Nothing was sent." "Look at the message; then for a proxy in between, the operator's clock, its base URLs and `--bunq-ca-file`.";
    BankAnswerUnverified Reconciling "An answer of the bank lacked a valid signature, so nothing of it was believed or written." "Wait. If it stays for more than an hour, look for a proxy that changes bodies.";
    KubernetesUnavailable Reconciling "The API server refused or did not answer a call." "Wait; look at the message for the call.";
    CreateUnconfirmed Reconciling "A client may have been created and the answer was lost. The operator lists again for a minute before it tries again, so that there is never a second client." "Wait.";
    ClientNotReadableYet Reconciling "The bank created the client and does not show it yet." "Wait.";
    CancellationPending Reconciling "A client is `CANCELLED_PENDING`, or has a status that this version does not know." "Wait.";
    CredentialsRejected Stalled "bunq refuses the API key. It gives one answer for five causes: wrong key, wrong environment, unused and expired, first used from another address, address not permitted." "Make a new key in the bunq app and put it into the Secret, or permit the operator's address there.";
    NotAnApiKey Stalled "The key opens the session of an app's user: it is an OAuth access token." "Put the account owner's own API key into the Secret.";
    EnvironmentMismatch Stalled "The API key belongs to the other environment, or the client is pinned to the other one." "Use a key of the named environment, or a new BunqOAuthClient.";
    UserChanged Stalled "The API key belongs to another bunq user than the client of this resource." "Put back a key of the first user, or allow a new client with the annotation `bunq-operator.io/allow-new-client`.";
    UserAlreadyClaimed Stalled "Another BunqOAuthClient manages this bunq user; bunq allows one client per user." "Delete one of the two, or use another user's key.";
    NamespaceNotGranted Stalled "The operator may not use Secrets in this namespace." "Run the `kubectl create rolebinding` command in the message.";
    Forbidden Stalled "The API server forbids a call that the operator needs." "Install the RBAC of this version, or lift the quota or policy; the message names verb and resource.";
    OperatorStateUnreadable Stalled "An object of the operator's own, a claim or a context, cannot be read; nothing is done on a guess." "Ask the operator's admins to mend or delete the object that the message names.";
    InvalidSpec Stalled "The manifest breaks a rule that the API server did not check." "Mend the field that the message names.";
    SecretNotOwned Stalled "The output Secret exists and belongs to somebody else; it stays untouched." "Delete or rename it, or set `spec.secret.name`.";
    SecretImmutable Stalled "The output Secret is marked immutable and no longer holds what it should." "Delete it; the operator writes it anew.";
    ClientExists Stalled "The user has a client and `adoptionPolicy` is Never." "Set `adoptionPolicy: Adopt` to take it over.";
    AmbiguousClients Stalled "The user has several ACTIVE clients; the operator does not guess." "Cancel all but one in the bunq app or the developer portal.";
    AdoptionWouldCancel Stalled "The user has an ACTIVE client that this resource never managed, and the manifest says CANCELLED." "Set `spec.status: ACTIVE` first (that adopts it), then CANCELLED.";
    ClientVanished Stalled "The bank no longer knows the client." "Allow a new one with the annotation `bunq-operator.io/allow-new-client: \"<old client_id>\"`; apps then get new credentials.";
    CreateRefused Stalled "The bank refused every known form of the request to create a client." "Read the bank's words in the message; then edit the spec or request a retry.";
    CancelledAtBank Stalled "Somebody cancelled the client at the bank; a kill switch is not undone." "Set `spec.status: CANCELLED`, then `ACTIVE`.";
    CancelRefused Stalled "The bank refused to cancel the client, or said yes and did not." "Cancel it in the bunq app, or request a retry.";
    ReactivationRefused Stalled "The bank refused to make the client ACTIVE again, or said yes and did not." "Allow a new client with the annotation `bunq-operator.io/allow-new-client`; apps then get new credentials.";
    RedirectUrlRefused Stalled "The bank refused a redirect URL." "Read the bank's words in the message; then edit the URL or request a retry.";
    RedirectUrlNotApplied Stalled "The bank accepted a redirect URL and stores other bytes (redirect mismatch), or none." "Declare the bytes that the message shows as stored or, where no manifest can, a URL of another host.";
    RedirectUrlOccupied Stalled "The client has room for one redirect URL and it holds one that is not ours." "Set `pruneRedirectUrls: true` to replace it.";
    OneRedirectUrlOnly Stalled "The client has room for one redirect URL and the manifest declares several." "Remove `additionalRedirectUrls`.";
    DriftContested Stalled "Somebody keeps undoing a value at the bank, three times in an hour." "Find the other writer, then request a retry.";
    ClientSecretNotShown Stalled "The bank does not show the client's secret, so there is nothing to publish." "Request a retry; if it stays, set `spec.status: CANCELLED`, then `ACTIVE` with the annotation `bunq-operator.io/allow-new-client`.";
    ServerSignatureInvalid Stalled "The bank's signatures have been invalid for over an hour." "Delete the context Secret that the message names, so that the operator fetches the bank's key anew.";
}

/// Why a person has to act, with the values that the message needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stall {
    /// See [`Reason::SecretNotOwned`].
    SecretNotOwned,
    /// See [`Reason::SecretImmutable`].
    SecretImmutable,
    /// See [`Reason::ClientExists`].
    ClientExists {
        /// The OAuth 2.0 client identifier.
        client_id: String,
    },
    /// See [`Reason::AmbiguousClients`].
    AmbiguousClients {
        /// How many there are.
        count: usize,
    },
    /// See [`Reason::AdoptionWouldCancel`].
    AdoptionWouldCancel {
        /// The OAuth 2.0 client identifier.
        client_id: String,
    },
    /// See [`Reason::ClientVanished`].
    ClientVanished {
        /// What the annotation must name.
        client_id: String,
    },
    /// See [`Reason::CreateRefused`].
    CreateRefused {
        /// The bank's words.
        text: String,
    },
    /// See [`Reason::CancelledAtBank`].
    CancelledAtBank,
    /// See [`Reason::CancelRefused`].
    CancelRefused {
        /// The bank's words, if it used any.
        text: Option<String>,
    },
    /// See [`Reason::ReactivationRefused`].
    ReactivationRefused {
        /// The bank's words, if it used any.
        text: Option<String>,
        /// What the annotation must name.
        client_id: String,
    },
    /// See [`Reason::RedirectUrlRefused`].
    RedirectUrlRefused {
        /// The value sent.
        url: String,
        /// The bank's words.
        text: String,
    },
    /// See [`Reason::RedirectUrlNotApplied`].
    RedirectUrlNotApplied {
        /// The value sent.
        sent: String,
        /// What the bank stores that looks like it.
        stored: Option<String>,
    },
    /// See [`Reason::RedirectUrlOccupied`].
    RedirectUrlOccupied {
        /// The URL that is there, if the bank shows it.
        stored: Option<String>,
    },
    /// See [`Reason::OneRedirectUrlOnly`].
    OneRedirectUrlOnly,
    /// See [`Reason::DriftContested`].
    DriftContested {
        /// The value that keeps vanishing.
        what: String,
    },
    /// See [`Reason::ClientSecretNotShown`].
    ClientSecretNotShown {
        /// What the annotation must name.
        client_id: String,
    },
}

impl Stall {
    /// The reason without its values.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::SecretNotOwned => Reason::SecretNotOwned,
            Self::SecretImmutable => Reason::SecretImmutable,
            Self::ClientExists { .. } => Reason::ClientExists,
            Self::AmbiguousClients { .. } => Reason::AmbiguousClients,
            Self::AdoptionWouldCancel { .. } => Reason::AdoptionWouldCancel,
            Self::ClientVanished { .. } => Reason::ClientVanished,
            Self::CreateRefused { .. } => Reason::CreateRefused,
            Self::CancelledAtBank => Reason::CancelledAtBank,
            Self::CancelRefused { .. } => Reason::CancelRefused,
            Self::ReactivationRefused { .. } => Reason::ReactivationRefused,
            Self::RedirectUrlRefused { .. } => Reason::RedirectUrlRefused,
            Self::RedirectUrlNotApplied { .. } => Reason::RedirectUrlNotApplied,
            Self::RedirectUrlOccupied { .. } => Reason::RedirectUrlOccupied,
            Self::OneRedirectUrlOnly => Reason::OneRedirectUrlOnly,
            Self::DriftContested { .. } => Reason::DriftContested,
            Self::ClientSecretNotShown { .. } => Reason::ClientSecretNotShown,
        }
    }
}
