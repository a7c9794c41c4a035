//! Who may ask: a web page of somebody else may not, nor whoever lacks the key.
//!
//! Any page can send requests to this machine. A browser says where a page comes from (Origin); and a page that had its
//! name point here (DNS rebinding) is known by the name in Host.

use super::problem::Problem;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::net::IpAddr;

/// Whom the server knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// Names under which it is known, beside those of this machine; in lower case.
    names: Vec<String>,
    /// Addresses count as names: nobody can make a name of his point to a number.
    any_address: bool,
    key: Option<String>,
}

impl Guard {
    /// For a server that listens on `address` and is known under `names` too.
    pub(crate) fn new(address: IpAddr, names: &[String], key: Option<String>) -> Guard {
        let names = names.iter().map(|name| name.to_lowercase()).collect();
        Guard { names, any_address: !address.is_loopback(), key }
    }

    /// Checks Host and Origin.
    pub(crate) fn check_source(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = |what: &str, value: &HeaderValue| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let message = format!("{what} '{value}' is not known here (--allow-host names others)");
            Problem::new(StatusCode::FORBIDDEN, message)
        };
        if headers.get_all(header::HOST).iter().count() > 1 {
            return Err(Problem::wrong("more than one Host"));
        }
        let Some(host) = headers.get(header::HOST) else {
            return Err(Problem::wrong("no Host"));
        };
        if !host.to_str().is_ok_and(|host| self.knows(host)) {
            return Err(refused("Host", host));
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.knows_origin(origin) => Err(refused("Origin", origin)),
            _ => Ok(()),
        }
    }

    /// Whether pages of this origin may read answers.
    pub(crate) fn knows_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.knows(host))
    }

    /// Whether `host`, with a port or not, is this server.
    fn knows(&self, host: &str) -> bool {
        let name = without_port(host).to_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) => self.any_address || address.is_loopback(),
            Err(_) => name == "localhost" || self.names.contains(&name),
        }
    }

    /// Checks the key, where there is one.
    pub(crate) fn check_key(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = given.and_then(|it| it.split_at_checked(7));
        let given = match bearer {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(given),
            _ => headers.get("x-api-key").map(HeaderValue::as_bytes),
        };
        match given {
            Some(given) if same(given.trim_ascii(), key.as_bytes()) => Ok(()),
            Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the API key is wrong")),
            None => Err(Problem::new(StatusCode::UNAUTHORIZED, "an API key is needed")),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) && !is_bare_v6(host) => {
            name
        }
        _ => host,
    }
}

fn is_bare_v6(host: &str) -> bool {
    !host.starts_with('[') && host.matches(':').count() > 1
}

/// Compares in a time that does not tell where two keys differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_names_of_this_machine_are_known() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), &["My.Box".to_owned()], None);
        let known = |host: &str| guard.check_source(&headers(&[("host", host)])).is_ok();
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "[::1]:1",
            "[::1]",
            "::1",
            "127.9.9.9",
            "my.box:9",
        ] {
            assert!(known(host), "{host}");
        }
        for host in [
            "evil.com",
            "localhost.evil.com",
            "192.168.0.1",
            "127.0.0.1.evil.com:80",
            "",
            "[::2]:80",
            "localhost:80:80",
        ] {
            assert!(!known(host), "{host}");
        }
        assert!(guard.check_source(&headers(&[])).is_err());
        let open = Guard::new("0.0.0.0".parse().unwrap(), &[], None);
        assert!(open.check_source(&headers(&[("host", "192.168.0.1:80")])).is_ok());
        assert!(open.check_source(&headers(&[("host", "evil.com")])).is_err());
    }

    #[test]
    fn only_pages_of_this_machine_may_ask() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), &[], None);
        let known = |origin: &str| {
            guard.check_source(&headers(&[("host", "localhost"), ("origin", origin)])).is_ok()
        };
        assert!(known("http://localhost:3000") && known("https://127.0.0.1"));
        for origin in
            ["null", "http://evil.com", "file://", "http://localhost@evil.com", "localhost"]
        {
            assert!(!known(origin), "{origin}");
        }
    }

    #[test]
    fn a_key_is_asked_for_where_there_is_one() {
        let guard = |key: Option<&str>| {
            Guard::new("127.0.0.1".parse().unwrap(), &[], key.map(str::to_owned))
        };
        assert!(guard(None).check_key(&headers(&[])).is_ok());
        assert!(guard(None).check_key(&headers(&[("authorization", "Bearer x")])).is_ok());
        let keyed = guard(Some("secret"));
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("authorization", "bearer  secret "),
            ("x-api-key", "secret"),
        ] {
            assert!(keyed.check_key(&headers(&[(name, value)])).is_ok(), "{value}");
        }
        for value in ["Bearer ", "Bearer secre", "Bearer secrets", "secret", "é"] {
            let wrong = keyed.check_key(&headers(&[("authorization", value)]));
            assert_eq!(wrong.unwrap_err().status, StatusCode::UNAUTHORIZED);
        }
        assert!(keyed.check_key(&headers(&[])).is_err());
    }
}
