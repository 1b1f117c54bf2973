//! Installations and devices (`bunq-api §2`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use rsa::RsaPublicKey;
use serde_json::{Value, json};

use super::{Bank, KeyStatus, random_hex, stamp};
use crate::sandbox::{
    keys::{ServerKey, parse_public_key},
    reply::{Ask, Outcome, Refusal, Reply, text},
};

/// An installation: a client's public key and its token.
#[derive(Clone)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// The installation token.
    pub token: String,
    /// The client's key: all its signatures are checked with it.
    pub client_key: RsaPublicKey,
    /// Request ids used so far.
    pub request_ids: BTreeSet<String>,
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A registered device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its number.
    pub id: u64,
    /// The installation it stands on ([`Installation::id`]).
    pub installation: u64,
    /// The key it was registered with ([`Key::id`](super::Key)).
    pub key: u64,
    /// What the account owner sees in the app.
    pub description: String,
    /// The address it was registered from.
    pub ip: String,
    /// When it was registered.
    pub created: Timestamp,
}

impl Bank {
    pub(super) fn create_installation(&mut self, ask: &Ask) -> Outcome {
        let fields = ask.object()?;
        let client_key = text(&fields, "client_public_key")
            .and_then(parse_public_key)
            .ok_or_else(|| Refusal::new(400, "Client Public Key Invalid"))?;
        let installation =
            Installation { id: self.next_id(), token: random_hex(64), client_key, request_ids: BTreeSet::new() };
        let reply = Reply::Items(vec![
            json!({"Id": {"id": installation.id}}),
            self.token_item(&installation.token),
            json!({"ServerPublicKey": {"server_public_key": ServerKey::shared().public_pem}}),
        ]);
        self.installations.push(installation);
        Ok(reply)
    }

    /// `{"Token": {…}}`, second in the replies of installation and session.
    pub(super) fn token_item(&mut self, token: &str) -> Value {
        let (id, now) = (self.next_id(), self.stamp());
        json!({"Token": {"id": id, "created": now, "updated": now, "token": token}})
    }

    pub(super) fn read_installation(&self, ask: &Ask, session: usize) -> Outcome {
        if ask.method != "GET" {
            return Err(Refusal::method_not_allowed());
        }
        let id = self.sessions[session].installation;
        let item = if ask.path.ends_with("/server-public-key") {
            json!({"ServerPublicKey": {"server_public_key": ServerKey::shared().public_pem}})
        } else {
            json!({"Id": {"id": id}})
        };
        Ok(Reply::Items(vec![item]))
    }

    pub(super) fn create_device(&mut self, ask: &Ask, installation: usize) -> Outcome {
        let fields = ask.object()?;
        let secret = text(&fields, "secret").unwrap_or_default();
        let key = self.living_key(secret)?;
        let permitted = permitted_ips(fields.get("permitted_ips"))?;
        let installation_id = self.installations[installation].id;
        if self.devices.iter().any(|it| it.installation == installation_id) {
            return Err(Refusal::new(400, "A device already exists for this installation."));
        }
        match self.keys[key].status {
            KeyStatus::PendingFirstUse => self.bind(key, &permitted),
            KeyStatus::Active | KeyStatus::Revoked => {
                if !self.keys[key].permits(self.caller) {
                    return Err(Refusal::credentials());
                }
            }
        }
        let device = Device {
            id: self.next_id(),
            installation: installation_id,
            key: self.keys[key].id,
            description: text(&fields, "description").unwrap_or_default().to_owned(),
            ip: self.caller.to_string(),
            created: self.now,
        };
        let id = device.id;
        self.devices.push(device);
        Ok(Reply::id(id))
    }

    pub(super) fn list_devices(&self, ask: &Ask, session: usize, one: Option<u64>) -> Outcome {
        if ask.method != "GET" {
            return Err(Refusal::method_not_allowed());
        }
        let user = self.sessions[session].user;
        let items: Vec<(u64, Value)> = self
            .devices
            .iter()
            .filter(|it| self.key_by_id(it.key).is_some_and(|key| key.user == user))
            .filter(|it| one.is_none_or(|id| it.id == id))
            .map(|it| (it.id, device_object(it)))
            .collect();
        match one {
            Some(id) if items.is_empty() => Err(Refusal::not_found("Device server", id)),
            Some(_) => Ok(Reply::Items(items.into_iter().map(|(_, item)| item).collect())),
            None => Ok(self.page(ask, items)),
        }
    }
}

fn device_object(device: &Device) -> Value {
    json!({"DeviceServer": {
        "id": device.id,
        "created": stamp(device.created),
        "updated": stamp(device.created),
        "description": device.description,
        "ip": device.ip,
        "status": "ACTIVE",
    }})
}

/// `permitted_ips`: absent, or strings that are IPv4 addresses or `*`.
fn permitted_ips(value: Option<&Value>) -> Result<Vec<String>, Refusal> {
    let refused = || Refusal::new(400, "The permitted_ips are invalid.");
    let items = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(refused()),
    };
    items
        .iter()
        .map(|item| {
            let ip = item.as_str().ok_or_else(refused)?;
            let known = ip == "*" || ip.parse::<std::net::Ipv4Addr>().is_ok();
            known.then(|| ip.to_owned()).ok_or_else(refused)
        })
        .collect()
}
