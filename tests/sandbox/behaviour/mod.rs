//! What nobody knows about the real bank, as switches.
//!
//! bunq's own sources contradict each other (`bunq-api §5.2`, `§5.4`). Every plausible reading
//! is one variant here; the default is the bank that a friendly reading describes.

mod switch;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::switch::*;

/// Everything that can be switched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Behaviour {
    /// See [`CreateBody`].
    pub create_body: CreateBody,
    /// See [`CreateReply`].
    pub create_reply: CreateReply,
    /// See [`SecondClient`].
    pub second_client: SecondClient,
    /// A create whose reply is lost to a fault is committed only after this many seconds.
    #[serde(with = "seconds")]
    pub late_commit: Option<Duration>,
    /// A new client is left out of LIST for this many seconds.
    #[serde(with = "seconds")]
    pub list_lag: Option<Duration>,
    /// See [`PutRedirectUrl`].
    pub put_redirect_url: PutRedirectUrl,
    /// See [`CallbackRoutes`].
    pub callback_routes: CallbackRoutes,
    /// More URLs than this on one client are refused.
    pub max_callback_urls: Option<usize>,
    /// URLs that contain one of these are refused.
    pub refused_urls: Vec<String>,
    /// See [`UrlShape`].
    pub url_shape: UrlShape,
    /// See [`StoredUrl`].
    pub stored_url: StoredUrl,
    /// See [`SecretField`].
    pub secret_field: SecretField,
    /// See [`SecretShown`].
    pub secret_shown: SecretShown,
    /// See [`DisplayName`].
    pub display_name: DisplayName,
    /// See [`UnsetName`].
    pub unset_name: UnsetName,
    /// See [`Cancel`].
    pub cancel: Cancel,
    /// See [`Cancelled`].
    pub cancelled: Cancelled,
    /// See [`Reactivation`].
    pub reactivation: Reactivation,
    /// See [`ExpiredSession`].
    pub expired_session: ExpiredSession,
    /// Life of a session in seconds; `None` leaves the field out (it then lives for 300 s).
    pub session_timeout: Option<u64>,
    /// See [`SessionUser`].
    pub session_user: SessionUser,
    /// See [`SecondSession`].
    pub second_session: SecondSession,
    /// See [`SessionAddress`].
    pub session_address: SessionAddress,
    /// See [`LoneWildcard`].
    pub lone_wildcard: LoneWildcard,
    /// See [`SignatureRule`].
    pub signatures: SignatureRule,
    /// See [`ErrorSignature`].
    pub error_signature: ErrorSignature,
    /// See [`Slashes`].
    pub slashes: Slashes,
    /// See [`Letters`].
    pub letters: Letters,
    /// See [`Connections`].
    pub connections: Connections,
    /// See [`HeaderCase`].
    pub header_case: HeaderCase,
    /// See [`UnknownFields`].
    pub unknown_fields: UnknownFields,
    /// See [`Compression`].
    pub compression: Compression,
    /// See [`RequestIdReuse`].
    pub request_id_reuse: RequestIdReuse,
    /// See [`TokenParameters`].
    pub token_parameters: TokenParameters,
    /// No page is longer, whatever `count` says.
    pub max_page: usize,
    /// See [`LimitStatus`].
    pub limit_status: LimitStatus,
    /// A key unused for this many seconds dies; `None`: 1 h for `sandbox_` keys, 4 h for others.
    pub unused_key_life: Option<u64>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            create_body: CreateBody::default(),
            create_reply: CreateReply::default(),
            second_client: SecondClient::default(),
            late_commit: None,
            list_lag: None,
            put_redirect_url: PutRedirectUrl::default(),
            callback_routes: CallbackRoutes::default(),
            max_callback_urls: None,
            refused_urls: Vec::new(),
            url_shape: UrlShape::default(),
            stored_url: StoredUrl::default(),
            secret_field: SecretField::default(),
            secret_shown: SecretShown::default(),
            display_name: DisplayName::default(),
            unset_name: UnsetName::default(),
            cancel: Cancel::default(),
            cancelled: Cancelled::default(),
            reactivation: Reactivation::default(),
            expired_session: ExpiredSession::default(),
            session_timeout: Some(604_800),
            session_user: SessionUser::default(),
            second_session: SecondSession::default(),
            session_address: SessionAddress::default(),
            lone_wildcard: LoneWildcard::default(),
            signatures: SignatureRule::default(),
            error_signature: ErrorSignature::default(),
            slashes: Slashes::default(),
            letters: Letters::default(),
            connections: Connections::default(),
            header_case: HeaderCase::default(),
            unknown_fields: UnknownFields::default(),
            compression: Compression::default(),
            request_id_reuse: RequestIdReuse::default(),
            token_parameters: TokenParameters::default(),
            max_page: 200,
            limit_status: LimitStatus::default(),
            unused_key_life: None,
        }
    }
}

/// Durations as a number of seconds, so that a behaviour file stays readable.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` passes a reference")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|it| it.as_secs_f64()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(deserializer)?
            .map(|it| Duration::try_from_secs_f64(it).map_err(serde::de::Error::custom))
            .transpose()
    }
}
