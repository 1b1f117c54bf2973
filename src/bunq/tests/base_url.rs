use crate::bunq::{ApiKey, BaseUrl, BaseUrlError as E, Endpoints, Environment};

/// `H01`: who may receive an API key. `Ok(loopback)` or the reason.
const TABLE: &[(&str, Result<bool, E>)] = &[
    ("https://api.bunq.com/v1/", Ok(false)),
    ("https://public-api.sandbox.bunq.com/v1/", Ok(false)),
    ("https://bank.example:8443/v1/", Ok(false)),
    ("https://bank.example/prefix/v1/", Ok(false)),
    ("https://10.0.0.1/v1/", Ok(false)),
    ("https://API.BUNQ.com/v1/", Ok(false)),
    ("https://api.bunq.com./v1/", Ok(false)),
    ("https://xn--bnq-hoa.example/v1/", Ok(false)),
    ("https://localhost.evil.example/v1/", Ok(false)),
    ("https://[::ffff:1.2.3.4]/v1/", Ok(false)),
    ("https://127.0.0.1:8443/v1/", Ok(true)),
    ("https://[::1]:8443/v1/", Ok(true)),
    ("https://[2001:db8::1]/v1/", Ok(false)),
    ("http://127.0.0.1/v1/", Ok(true)),
    ("http://127.0.0.1:8080/v1/", Ok(true)),
    ("http://127.255.255.254:1/v1/", Ok(true)),
    ("http://[::1]/v1/", Ok(true)),
    ("http://[::1]:8080/v1/", Ok(true)),
    ("http://[0:0:0:0:0:0:0:1]:8080/v1/", Ok(true)),
    ("http://localhost:8080/v1/", Err(E::PlainHttp)),
    ("http://localhost.evil.example/v1/", Err(E::PlainHttp)),
    ("http://127.0.0.1.evil.example/v1/", Err(E::PlainHttp)),
    ("http://api.bunq.com/v1/", Err(E::PlainHttp)),
    ("http://10.0.0.1/v1/", Err(E::PlainHttp)),
    ("http://128.0.0.1/v1/", Err(E::PlainHttp)),
    ("http://0.0.0.0/v1/", Err(E::PlainHttp)),
    ("http://[::]/v1/", Err(E::PlainHttp)),
    ("http://[::ffff:127.0.0.1]/v1/", Err(E::PlainHttp)),
    ("http://[::ffff:1.2.3.4]/v1/", Err(E::PlainHttp)),
    ("http://localhost./v1/", Err(E::PlainHttp)),
    ("http://[::127.0.0.1]/v1/", Err(E::PlainHttp)),
    ("http://127.1/v1/", Err(E::Host)),
    ("https://127.1/v1/", Err(E::Host)),
    ("http://2130706433/v1/", Err(E::Host)),
    ("http://0x7f000001/v1/", Err(E::Host)),
    ("http://0x7f.0.0.1/v1/", Err(E::Host)),
    ("http://0177.0.0.1/v1/", Err(E::Host)),
    ("http://127.0.0.01/v1/", Err(E::Host)),
    ("http://127.0.0.1./v1/", Err(E::Host)),
    ("http://[::1%25lo]/v1/", Err(E::Host)),
    ("http://[127.0.0.1]/v1/", Err(E::Host)),
    ("http://[::1]evil/v1/", Err(E::Host)),
    ("https:///v1/", Err(E::Host)),
    ("https://.example/v1/", Err(E::Host)),
    ("https://a..b/v1/", Err(E::Host)),
    ("https://ex%61mple.com/v1/", Err(E::Host)),
    ("https://a_b.example/v1/", Err(E::Host)),
    ("https://user@api.bunq.com/v1/", Err(E::UserInfo)),
    ("https://api.bunq.com:x@evil.example/v1/", Err(E::UserInfo)),
    ("http://127.0.0.1@evil.example/v1/", Err(E::UserInfo)),
    ("https://api.bunq.com/v1/?a=b", Err(E::QueryOrFragment)),
    ("https://evil.example?@api.bunq.com/v1/", Err(E::QueryOrFragment)),
    ("https://evil.example#@api.bunq.com/v1/", Err(E::QueryOrFragment)),
    ("https://api.bunq.com\\@evil.example/v1/", Err(E::Characters)),
    ("https://api.bunq.com /v1/", Err(E::Characters)),
    (" https://api.bunq.com/v1/", Err(E::Characters)),
    ("https://api.bunq.com/v1/\n", Err(E::Characters)),
    ("https://api.bunq.com\t/v1/", Err(E::Characters)),
    ("https://bünq.example/v1/", Err(E::Characters)),
    ("https://api.bunq.com:0/v1/", Err(E::Port)),
    ("https://api.bunq.com:65536/v1/", Err(E::Port)),
    ("https://api.bunq.com:+1/v1/", Err(E::Port)),
    ("https://api.bunq.com:/v1/", Err(E::Port)),
    ("https://2001:db8::1/v1/", Err(E::Port)),
    ("https://api.bunq.com/v1", Err(E::Path)),
    ("https://api.bunq.com", Err(E::Path)),
    ("https://api.bunq.com/", Err(E::Path)),
    ("https://api.bunq.com/v2/", Err(E::Path)),
    ("https://api.bunq.com/xv1/", Err(E::Path)),
    ("https://api.bunq.com//v1/", Err(E::Path)),
    ("https://api.bunq.com/../v1/", Err(E::Path)),
    ("https://api.bunq.com/%2e%2e/v1/", Err(E::Path)),
    ("HTTPS://api.bunq.com/v1/", Err(E::Scheme)),
    ("ftp://api.bunq.com/v1/", Err(E::Scheme)),
    ("//api.bunq.com/v1/", Err(E::Scheme)),
    ("api.bunq.com/v1/", Err(E::Scheme)),
    ("", Err(E::Scheme)),
];

#[test]
fn only_https_or_a_literal_loopback_address_may_receive_an_api_key() {
    for (text, verdict) in TABLE {
        let parsed = BaseUrl::parse(text);
        let told = parsed.as_ref().map(BaseUrl::is_loopback).map_err(|e| *e);
        assert_eq!(told, *verdict, "{text}");
        if let Ok(url) = parsed {
            assert_eq!(url.as_str(), *text);
        }
    }
}

#[test]
fn the_banks_own_addresses_pass_the_same_rules() {
    for environment in [Environment::Production, Environment::Sandbox] {
        let endpoints = Endpoints::of(environment);
        let parsed = BaseUrl::parse(endpoints.base.as_str()).unwrap();
        assert_eq!(parsed, endpoints.base);
    }
    let token = |environment| Endpoints::of(environment).token;
    assert_eq!(token(Environment::Production), "https://api.oauth.bunq.com/v1/token");
    assert_eq!(token(Environment::Sandbox), "https://api-oauth.sandbox.bunq.com/v1/token");
}

#[test]
fn an_overridden_bank_has_its_login_beside_its_interface() {
    let base = BaseUrl::parse("http://127.0.0.1:8080/x/v1/").unwrap();
    let endpoints = Endpoints::overridden(base);
    assert_eq!(endpoints.authorize, "http://127.0.0.1:8080/auth");
    assert_eq!(endpoints.token, "http://127.0.0.1:8080/x/v1/token");
}

#[test]
fn an_api_key_is_trimmed_and_tells_its_environment() {
    let key = ApiKey::from_bytes(b"sandbox_0123\n").unwrap();
    assert_eq!(key.expose(), "sandbox_0123");
    assert_eq!(key.environment(), Environment::Sandbox);
    let key = ApiKey::new(" 0123\r\n").unwrap();
    assert_eq!(key.expose(), "0123");
    assert_eq!(key.environment(), Environment::Production);
    assert_eq!(format!("{key:?}"), "ApiKey(…)");
}

#[test]
fn an_empty_or_broken_api_key_is_none() {
    for bytes in [&b""[..], b" \n", b"\xff\xfe", b"two\nlines", b"nul\0"] {
        assert!(ApiKey::from_bytes(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn host_and_port_are_what_traces_call_the_server() {
    let cases = [
        ("https://bank.example/v1/", ("bank.example", 443)),
        ("https://bank.example:8443/v1/", ("bank.example", 8443)),
        ("http://127.0.0.1:80/v1/", ("127.0.0.1", 80)),
        ("http://[::1]:9/v1/", ("::1", 9)),
        ("https://[::1]/v1/", ("::1", 443)),
    ];
    for (url, wanted) in cases {
        assert_eq!(BaseUrl::parse(url).unwrap().host_and_port(), wanted);
    }
    let bank = Endpoints::of(Environment::Production);
    assert_eq!(bank.base.host_and_port(), ("api.bunq.com", 443));
}
