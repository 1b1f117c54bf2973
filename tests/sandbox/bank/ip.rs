//! The addresses that a key is bound to, and `credential-password-ip` (`bunq-api §2`).

use serde_json::{Value, json};

use super::{Bank, Key, KeyStatus, stamp};
use crate::sandbox::{
    behaviour::LoneWildcard,
    reply::{Ask, Outcome, Refusal, Reply, text},
};

/// Whether calls from an address are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpStatus {
    /// They are.
    Active,
    /// They were.
    Inactive,
}

/// An address of a key; `*` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedIp {
    /// Its number.
    pub id: u64,
    /// IPv4, or `*`.
    pub ip: String,
    /// Whether it counts.
    pub status: IpStatus,
}

impl Bank {
    /// First use of a key: from now on it belongs to these addresses.
    pub(super) fn bind(&mut self, key: usize, permitted: &[String]) {
        let caller = self.caller.to_string();
        let lone_wildcard = permitted == ["*"];
        let ips = match self.behaviour.lone_wildcard {
            _ if permitted.is_empty() => vec![caller],
            LoneWildcard::CallerOnly if lone_wildcard => vec![caller],
            LoneWildcard::CallerOnly | LoneWildcard::AnyAddress => permitted.to_vec(),
        };
        self.keys[key].status = KeyStatus::Active;
        for ip in ips {
            self.add_ip(key, &ip);
        }
    }

    pub(super) fn add_ip(&mut self, key: usize, ip: &str) -> u64 {
        let id = self.next_id();
        self.keys[key].ips.push(PermittedIp { id, ip: ip.to_owned(), status: IpStatus::Active });
        id
    }

    /// `credential-password-ip`, all or one.
    pub(super) fn credentials(&self, ask: &Ask, user: u64, one: Option<u64>) -> Outcome {
        if ask.method != "GET" {
            return Err(Refusal::method_not_allowed());
        }
        let items: Vec<(u64, Value)> = self
            .keys
            .iter()
            .filter(|key| key.user == user && key.access_token_of.is_none())
            .filter(|key| one.is_none_or(|id| key.id == id))
            .map(|key| (key.id, self.credential_object(key)))
            .collect();
        match one {
            Some(id) if items.is_empty() => Err(Refusal::not_found("Credential", id)),
            Some(_) => Ok(Reply::Items(items.into_iter().map(|(_, item)| item).collect())),
            None => Ok(self.page(ask, items)),
        }
    }

    fn credential_object(&self, key: &Key) -> Value {
        let pending = key.status == KeyStatus::PendingFirstUse;
        let device = self.devices.iter().find(|it| it.key == key.id);
        let status = match key.status {
            KeyStatus::PendingFirstUse => "PENDING_FIRST_USE",
            KeyStatus::Active => "ACTIVE",
            KeyStatus::Revoked => "REVOKED",
        };
        json!({"CredentialPasswordIp": {
            "id": key.id,
            "created": stamp(key.created),
            "updated": stamp(key.created),
            "status": status,
            "expiry_time": pending.then(|| stamp(key.dies)),
            "token_value": pending.then(|| key.secret.clone()),
            "permitted_device": device.map(|it| json!({
                "description": it.description,
                "ip": it.ip,
            })),
        }})
    }

    /// `credential-password-ip/{p}/ip`: list, create.
    pub(super) fn permitted_ips(&mut self, ask: &Ask, user: u64, credential: u64) -> Outcome {
        let key = self.credential(user, credential)?;
        match ask.method.as_str() {
            "GET" => {
                let items = self.keys[key].ips.iter().map(|it| (it.id, ip_object(it)));
                let items = items.collect();
                Ok(self.page(ask, items))
            }
            "POST" => {
                let fields = ask.object()?;
                let ip = text(&fields, "ip")
                    .filter(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok())
                    .ok_or_else(|| Refusal::new(400, "The ip is invalid."))?;
                let id = self.add_ip(key, ip);
                self.set_ip_status(key, id, text(&fields, "status"))?;
                Ok(Reply::id(id))
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// `credential-password-ip/{p}/ip/{i}`: read, change the status.
    pub(super) fn permitted_ip(&mut self, ask: &Ask, user: u64, credential: u64, ip: u64) -> Outcome {
        let key = self.credential(user, credential)?;
        let found =
            self.keys[key].ips.iter().find(|it| it.id == ip).ok_or_else(|| Refusal::not_found("Permitted ip", ip))?;
        match ask.method.as_str() {
            "GET" => Ok(Reply::Items(vec![ip_object(found)])),
            "PUT" => {
                let fields = ask.object()?;
                self.set_ip_status(key, ip, text(&fields, "status"))?;
                Ok(Reply::id(ip))
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn set_ip_status(&mut self, key: usize, ip: u64, status: Option<&str>) -> Result<(), Refusal> {
        let status = match status {
            None => return Ok(()),
            Some("ACTIVE") => IpStatus::Active,
            Some("INACTIVE") => IpStatus::Inactive,
            Some(_) => return Err(Refusal::new(400, "The status is invalid.")),
        };
        for it in &mut self.keys[key].ips {
            if it.id == ip {
                it.status = status;
            }
        }
        Ok(())
    }

    fn credential(&self, user: u64, credential: u64) -> Result<usize, Refusal> {
        self.keys
            .iter()
            .position(|key| key.user == user && key.id == credential)
            .ok_or_else(|| Refusal::not_found("Credential", credential))
    }
}

fn ip_object(ip: &PermittedIp) -> Value {
    let status = match ip.status {
        IpStatus::Active => "ACTIVE",
        IpStatus::Inactive => "INACTIVE",
    };
    json!({"PermittedIp": {"id": ip.id, "ip": ip.ip, "status": status}})
}
