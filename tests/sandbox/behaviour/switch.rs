//! The switches, one enum each.

use serde::{Deserialize, Serialize};

/// Declares a switch: an enum with serde names in camel case and a default.
macro_rules! switch {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}

switch! {
    /// What `POST oauth-client` makes of its body (`§5.2`). `{}` and `[]` are accepted by all
    /// but [`CreateBody::RefusesAll`].
    CreateBody {
        /// Objects and arrays are read: status, name and URL are stored.
        #[default]
        Stores,
        /// Only the status is read; other fields are accepted and forgotten.
        IgnoresUnknown,
        /// 400 with one `Superfluous field "x".` per field other than `status`.
        Superfluous,
        /// Non-empty arrays are refused; objects are stored.
        RefusesArray,
        /// Every body is refused.
        RefusesAll,
    }
}

switch! {
    /// What `PUT oauth-client` makes of `redirect_url`.
    PutRedirectUrl {
        /// The only URL from now on.
        #[default]
        Replace,
        /// One more URL.
        Append,
        /// Answered with success, and forgotten.
        Ignore,
        /// 400 `Superfluous field "redirect_url".`
        Refuse,
    }
}

switch! {
    /// Whether the `callback-url` sub-resource exists.
    CallbackRoutes {
        /// All five routes.
        #[default]
        On,
        /// 404 `Route not found.`
        Off,
        /// 405.
        MethodNotAllowed,
    }
}

switch! {
    /// How an `OauthClient` shows its redirect URLs.
    UrlShape {
        /// `callback_url: [{id, created, updated, url}]`.
        #[default]
        Array,
        /// `redirect_url: "…"`, the first one; null without any.
        Scalar,
        /// Both of the above.
        Both,
        /// `callback_url: [{url}]`.
        ArrayWithoutIds,
        /// Not at all.
        Neither,
    }
}

switch! {
    /// The name of the secret's field.
    SecretField {
        /// `secret`, as in all of bunq's sources.
        #[default]
        Secret,
        /// `client_secret`.
        ClientSecret,
    }
}

switch! {
    /// When a read shows the secret.
    SecretShown {
        /// In every LIST and GET.
        #[default]
        Always,
        /// Null once the client is not ACTIVE.
        OnlyActive,
        /// In the first read (LIST or GET) of the client; absent later.
        FirstReadOnly,
        /// Never: the field is absent.
        Never,
    }
}

switch! {
    /// How a URL is stored.
    StoredUrl {
        /// As sent.
        #[default]
        AsSent,
        /// With a slash at the end, where there was none.
        TrailingSlash,
        /// In lower case.
        LowerCase,
        /// With the characters that the `xn--` labels of the host stand for.
        UnicodeHost,
    }
}

switch! {
    /// What becomes of `display_name` in a create body or a PUT.
    DisplayName {
        /// Stored as sent.
        #[default]
        Stored,
        /// Forgotten.
        Ignored,
        /// Trimmed and in upper case.
        Normalised,
    }
}

switch! {
    /// How a client without a name is shown.
    UnsetName {
        /// `display_name: null`.
        #[default]
        Null,
        /// No field.
        Absent,
    }
}

switch! {
    /// Whether LIST shows cancelled clients.
    Cancelled {
        /// With the others.
        #[default]
        Listed,
        /// Left out; GET by id still answers.
        Hidden,
    }
}

switch! {
    /// The answer to a successful `POST oauth-client`.
    CreateReply {
        /// `[{"Id": {"id": N}}]`.
        #[default]
        Id,
        /// `[{"OauthClient": {…}}]`.
        OauthClientObject,
    }
}

switch! {
    /// The answer to a session that ended.
    ExpiredSession {
        /// 401 `Insufficient authorisation.`
        #[default]
        Unauthorised,
        /// 403 `Insufficient authentication.`
        Forbidden,
    }
}

switch! {
    /// The type of the user object of a session opened with an ordinary key.
    SessionUser {
        /// A person.
        #[default]
        UserPerson,
        /// A company.
        UserCompany,
        /// What an OAuth access token gets: `requested_by_user`, `granted_by_user`.
        UserApiKey,
        /// A PSD2 provider.
        UserPaymentServiceProvider,
    }
}

switch! {
    /// What a second `session-server` of one installation and key does.
    SecondSession {
        /// Both sessions live.
        #[default]
        KeepsOld,
        /// The older session ends.
        EndsOld,
        /// 400 `Authentication token already has a user session.` while the first one lives.
        Refused,
    }
}

switch! {
    /// What `permitted_ips: ["*"]` alone binds a key to (`§2` conflict).
    LoneWildcard {
        /// Any address, as bunq's SDKs and samples assume.
        #[default]
        AnyAddress,
        /// The caller's address, as one page of the documentation says.
        CallerOnly,
    }
}

switch! {
    /// From where a session token may be used.
    SessionAddress {
        /// Anywhere.
        #[default]
        Any,
        /// From the key's permitted addresses; elsewhere 403.
        Permitted,
    }
}

switch! {
    /// Which calls must carry a signature.
    SignatureRule {
        /// `session-server` (`§3`).
        #[default]
        SessionServer,
        /// Every call with a body, but `installation`.
        EveryBody,
    }
}

switch! {
    /// Whether errors carry a server signature.
    ErrorSignature {
        /// They do not.
        #[default]
        Unsigned,
        /// They do.
        Signed,
    }
}

switch! {
    /// How `/` is written in JSON.
    Slashes {
        /// `\/`, as PHP does.
        #[default]
        Escaped,
        /// `/`.
        Plain,
    }
}

switch! {
    /// How characters beyond ASCII are written in JSON.
    Letters {
        /// As they are.
        #[default]
        Plain,
        /// `\u00e9`, as PHP does unless told otherwise.
        Escaped,
    }
}

switch! {
    /// What becomes of a connection after a reply. It holds for connections accepted after the change.
    Connections {
        /// It is kept for the next request.
        #[default]
        Kept,
        /// It is closed, and the reply says so.
        Closed,
        /// It is closed once it is idle, and nothing says so.
        ClosedIdle,
    }
}

switch! {
    /// How header names are written. It holds for connections accepted after the change.
    HeaderCase {
        /// `X-Bunq-Server-Signature`.
        #[default]
        Title,
        /// `x-bunq-server-signature`.
        Lower,
    }
}

switch! {
    /// Whether replies hold fields that no document names.
    UnknownFields {
        /// Documented fields only.
        #[default]
        Absent,
        /// An unknown object and an unknown scalar in every item, one unknown header.
        Present,
    }
}

switch! {
    /// Whether bodies are compressed for callers that accept gzip.
    Compression {
        /// Never.
        #[default]
        Off,
        /// With gzip; the signature holds for the decoded bytes.
        Gzip,
    }
}

switch! {
    /// The answer to a request id used before on the same installation.
    RequestIdReuse {
        /// 400.
        #[default]
        Error,
        /// No difference.
        Ignored,
    }
}

switch! {
    /// Where the token endpoint looks for its parameters.
    TokenParameters {
        /// In the query only, as documented (`§9`).
        #[default]
        Query,
        /// In the query or a form body.
        QueryOrForm,
    }
}

switch! {
    /// The status of a call beyond the limits.
    LimitStatus {
        /// 429.
        #[default]
        TooManyRequests,
        /// 409, seen in the sandbox.
        Conflict,
    }
}

/// How long `CANCELLED_PENDING` lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cancel {
    /// Not at all: PUT answers and the client is CANCELLED.
    #[default]
    Immediate,
    /// This many seconds of the emulator's clock.
    Pending {
        /// Seconds.
        seconds: u64,
    },
}

/// What PUT ACTIVE does to a cancelled client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reactivation {
    /// It is ACTIVE again.
    #[default]
    Allowed,
    /// Refused with this status.
    Refused(u16),
}

/// What a second `POST oauth-client` does while one is ACTIVE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecondClient {
    /// Refused with this status: 400, 403 or 490.
    Refused(u16),
    /// Success, with the id of the one that exists.
    ReturnsExisting,
    /// A second one.
    CreatesSecond,
}

impl Default for SecondClient {
    fn default() -> Self {
        Self::Refused(400)
    }
}
