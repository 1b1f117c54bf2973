//! A certificate authority of the emulator's own.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::options::Tls;

/// Accepts TLS connections; and the authority that clients must trust.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

impl Identity {
    pub(crate) fn new(tls: Tls) -> io::Result<Self> {
        Self::issue(tls).map_err(io::Error::other)
    }

    fn issue(tls: Tls) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut authority = CertificateParams::new(Vec::<String>::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "bunq-sandbox CA");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names: &[&str] = match tls {
            Tls::Valid | Tls::Expired | Tls::NotYetValid | Tls::SelfSigned => &["localhost", "127.0.0.1"],
            Tls::WrongHost => &["elsewhere.invalid"],
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut server = CertificateParams::new(names)?;
        match tls {
            Tls::Expired => {
                server.not_before = date_time_ymd(2019, 1, 1);
                server.not_after = date_time_ymd(2020, 1, 1);
            }
            Tls::NotYetValid => {
                server.not_before = date_time_ymd(2090, 1, 1);
                server.not_after = date_time_ymd(2091, 1, 1);
            }
            Tls::Valid | Tls::WrongHost | Tls::SelfSigned => {}
        }
        let key = KeyPair::generate()?;
        let certificate =
            if tls == Tls::SelfSigned { server.self_signed(&key)? } else { server.signed_by(&key, &authority)? };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem: authority.pem() })
    }
}
