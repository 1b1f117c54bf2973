//! The context Secret: how a handshake is written down (D7). Pure.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{
    bunq::{ApiKey, Context, DeviceRecord, Environment, InstallationRecord, SessionRecord, UserKind},
    controller::{
        digest::{hash_of, sha256_hex},
        format, labels,
        stop::Stop,
    },
    times::Times,
};

const TYPE: &str = "bunq-operator.io/context";

/// The keys of a context that this version writes.
const KEYS: [&str; 15] = [
    format::KEY,
    "environment",
    "private-key",
    "installation-token",
    "server-public-key",
    "device",
    "session-token",
    "session-user",
    "session-user-kind",
    "session-expires",
    "last-session",
    "reinstallations",
    "refusals",
    "bound-ip",
    "awaits-installation",
];

/// A context, and what only the operator remembers beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) context: Context,
    /// When the bank refused this very key, oldest first (`S8`).
    pub(crate) refusals: Vec<Timestamp>,
    /// The address that the bank bound the key to.
    pub(crate) bound_ip: Option<String>,
    /// Whether the bank wants a new installation and has had too many: whoever comes again waits until one may be made.
    pub(crate) awaits_installation: bool,
    /// What else its Secret holds.
    pub(crate) rest: Rest,
}

/// What this version does not know of a context's Secret: it is carried along.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

impl Stored {
    /// Reads its times by today's clock.
    pub(crate) fn correct(&mut self, times: &mut Times) {
        let Self { context, refusals, bound_ip: _, awaits_installation: _, rest: _ } = self;
        context.correct(times);
        times.all_past(refusals);
    }
}

/// The name: SHA-256 of environment and key. Keys are random, so no salt is needed.
pub(crate) fn name(environment: Environment, key: &ApiKey) -> String {
    let mut bytes = Zeroizing::new(environment.as_str().as_bytes().to_vec());
    bytes.push(0);
    bytes.extend_from_slice(key.expose().as_bytes());
    format!("bunq-context-{}", sha256_hex(&bytes))
}

/// A context in a few bytes, for what is remembered of thousands. Two of them could be taken for one: that
/// may cost a read or keep one longer, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContextId(u64);

impl ContextId {
    /// Of the context of this name.
    pub(crate) fn of(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }
}

pub(crate) fn to_secret(
    name: &str,
    environment: Environment,
    stored: &Stored,
    resource_version: Option<&str>,
) -> Secret {
    let Rest { data, labels, annotations } = stored.rest.clone();
    let mut data: BTreeMap<_, _> =
        data.into_iter().map(|(key, mut value)| (key, ByteString(std::mem::take(&mut *value)))).collect();
    let mut put = |key: &str, value: &str| {
        data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec()));
    };
    let context = &stored.context;
    put(format::KEY, &format::KNOWN.to_string());
    put("environment", environment.as_str());
    if let Some(pem) = &context.key_pair_pem {
        put("private-key", pem.expose_secret());
    }
    if let Some(installation) = &context.installation {
        put("installation-token", installation.token.expose_secret());
        put("server-public-key", &installation.server_key_pem);
    }
    match context.device {
        Some(DeviceRecord::Registered(id)) => put("device", &id.to_string()),
        Some(DeviceRecord::Existing) => put("device", "existing"),
        None => {}
    }
    if let Some(session) = &context.session {
        put("session-token", session.token.expose_secret());
        put("session-user", &session.user_id.to_string());
        put("session-user-kind", session.kind.as_str());
        put("session-expires", &session.expires_at.to_string());
    }
    if let Some(at) = context.last_session_at {
        put("last-session", &at.to_string());
    }
    put("reinstallations", &join(&context.reinstallations));
    put("refusals", &join(&stored.refusals));
    if let Some(ip) = &stored.bound_ip {
        put("bound-ip", ip);
    }
    if stored.awaits_installation {
        put("awaits-installation", "yes");
    }
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: resource_version.map(str::to_owned),
            labels: Some(labels.into_iter().chain(labels::of(labels::CONTEXT)).collect()),
            annotations,
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Equal if and only if the data is.
pub(crate) fn fingerprint(secret: &Secret) -> String {
    let data = secret.data.iter().flatten();
    hash_of(data.flat_map(|(key, value)| [key.as_bytes(), value.0.as_slice()]))
}

/// The bank that a context Secret belongs to, if it can be read.
pub(crate) fn environment(secret: &Secret) -> Option<Environment> {
    let text = std::str::from_utf8(&secret.data.as_ref()?.get("environment")?.0).ok()?;
    Environment::parse(text)
}

/// Reads a context Secret. A part that cannot be understood counts as missing, and so does what stands
/// on it, so that the handshake begins again there; the times survive (`F39`).
pub(crate) fn from_secret(secret: &Secret) -> Result<Stored, Stop> {
    let text = |key: &str| -> Option<&str> {
        std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok().filter(|text| !text.is_empty())
    };
    if let Some(found) = format::unknown(text(format::KEY)) {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        return Err(Stop::UnknownFormat { what: format!("Secret {name}"), found });
    }
    let time = |key: &str| text(key).and_then(|text| text.parse::<Timestamp>().ok());
    let secret_text = |key: &str| text(key).map(SecretString::from);
    let times = |key: &str| -> Vec<Timestamp> {
        text(key).into_iter().flat_map(str::split_whitespace).filter_map(|time| time.parse().ok()).collect()
    };
    let installation = || -> Option<InstallationRecord> {
        Some(InstallationRecord {
            token: secret_text("installation-token")?,
            server_key_pem: text("server-public-key")?.to_owned(),
        })
    };
    let session = || -> Option<SessionRecord> {
        Some(SessionRecord {
            token: secret_text("session-token")?,
            user_id: text("session-user")?.parse().ok()?,
            kind: UserKind::parse(text("session-user-kind")?)?,
            expires_at: time("session-expires")?,
        })
    };
    let device = || match text("device")? {
        "existing" => Some(DeviceRecord::Existing),
        id => id.parse().ok().map(DeviceRecord::Registered),
    };
    let key_pair_pem = secret_text("private-key");
    // The bank knows an installation by its key pair, device and session by their installation.
    let installation = key_pair_pem.as_ref().and_then(|_| installation());
    Ok(Stored {
        context: Context {
            device: installation.as_ref().and_then(|_| device()),
            session: installation.as_ref().and_then(|_| session()),
            key_pair_pem,
            installation,
            last_session_at: time("last-session"),
            reinstallations: times("reinstallations"),
        },
        refusals: times("refusals"),
        bound_ip: text("bound-ip").map(str::to_owned),
        awaits_installation: text("awaits-installation").is_some(),
        rest: rest(secret),
    })
}

fn rest(secret: &Secret) -> Rest {
    let data = secret.data.iter().flatten().filter(|(key, _)| !KEYS.contains(&key.as_str()));
    Rest {
        data: data.map(|(key, value)| (key.clone(), Zeroizing::new(value.0.clone()))).collect(),
        labels: secret.metadata.labels.clone().unwrap_or_default(),
        annotations: secret.metadata.annotations.clone(),
    }
}

fn join(times: &[Timestamp]) -> String {
    times.iter().map(Timestamp::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Stored {
        let at = |second| Timestamp::from_second(second).unwrap();
        Stored {
            context: Context {
                key_pair_pem: Some("pem".into()),
                installation: Some(InstallationRecord {
                    token: "installation".into(),
                    server_key_pem: "server".to_owned(),
                }),
                device: Some(DeviceRecord::Registered(7)),
                session: Some(SessionRecord {
                    token: "session".into(),
                    user_id: 42,
                    kind: UserKind::Company,
                    expires_at: at(9_000),
                }),
                last_session_at: Some(at(8_000)),
                reinstallations: vec![at(1_000), at(2_000)],
            },
            refusals: vec![at(3_000)],
            bound_ip: Some("203.0.113.7".to_owned()),
            awaits_installation: true,
            rest: Rest::default(),
        }
    }

    #[test]
    fn a_context_survives_being_written_down() {
        let secret = to_secret("x", Environment::Sandbox, &full(), None);
        let again = to_secret("x", Environment::Sandbox, &from_secret(&secret).unwrap(), None);
        assert_eq!(secret, again);
        assert!(from_secret(&secret).unwrap().context.session.is_some());
    }

    #[test]
    fn what_a_newer_version_added_is_carried_along_and_a_format_of_its_own_is_not_read() {
        let mut secret = to_secret("x", Environment::Sandbox, &full(), None);
        let written: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
        assert_eq!(written.len(), KEYS.len());
        assert!(KEYS.iter().all(|key| written.contains(key)));
        let added = |secret: &mut Secret, key: &str, value: &str| {
            secret.data.as_mut().unwrap().insert(key.to_owned(), ByteString(value.as_bytes().to_vec()));
        };
        added(&mut secret, "added-later", "b");
        secret.metadata.annotations = Some(BTreeMap::from([("added".to_owned(), "a".to_owned())]));
        let stored = from_secret(&secret).unwrap();
        assert_eq!(to_secret("x", Environment::Sandbox, &stored, None), secret);
        assert!(!format!("{stored:?}").contains("added-later"));
        added(&mut secret, format::KEY, "2");
        let told = from_secret(&secret).unwrap_err().to_string();
        assert_eq!(told, "read Secret x: it is of format 2, and this version of the operator knows format 1");
    }

    #[test]
    fn a_broken_part_counts_as_missing_and_the_times_survive() {
        let mut secret = to_secret("x", Environment::Sandbox, &full(), None);
        let data = secret.data.as_mut().unwrap();
        data.insert("session-expires".to_owned(), ByteString(b"yesterday".to_vec()));
        data.remove("server-public-key");
        let stored = from_secret(&secret).unwrap();
        assert!(stored.context.session.is_none());
        assert!(stored.context.installation.is_none());
        assert_eq!(stored.context.reinstallations.len(), 2);
        assert_eq!(stored.refusals.len(), 1);
    }

    #[test]
    fn what_stands_on_a_missing_part_counts_as_missing() {
        for (part, has_installation) in
            [("private-key", false), ("installation-token", false), ("server-public-key", false), ("device", true)]
        {
            let mut secret = to_secret("x", Environment::Sandbox, &full(), None);
            secret.data.as_mut().unwrap().remove(part);
            let context = from_secret(&secret).unwrap().context;
            assert_eq!(context.installation.is_some(), has_installation, "{part}");
            assert_eq!(context.session.is_some(), has_installation, "{part}");
            assert!(context.device.is_none(), "{part}");
        }
    }

    #[test]
    fn the_name_depends_on_environment_and_key_and_shows_neither() {
        let key = ApiKey::new("sandbox_abc").unwrap();
        let sandbox = name(Environment::Sandbox, &key);
        assert_ne!(sandbox, name(Environment::Production, &key));
        assert_ne!(sandbox, name(Environment::Sandbox, &ApiKey::new("sandbox_abd").unwrap()));
        assert!(!sandbox.contains("abc") && sandbox.len() <= 253);
    }
}
