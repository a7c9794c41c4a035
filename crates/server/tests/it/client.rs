//! A client that says exactly what a test wants said.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The objects of the events of a stream, which ends as it must.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        let mut events: Vec<&str> = self.body.split("\n\n").collect();
        assert_eq!(events.pop(), Some(""));
        let data = events.iter().filter(|event| **event != ":");
        let mut data: Vec<&str> = data.map(|event| event.strip_prefix("data: ").unwrap()).collect();
        assert_eq!(data.pop(), Some("[DONE]"));
        data.iter().map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// The objects of the lines of a body.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        assert!(self.body.ends_with('\n'));
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A request under way.
pub(crate) struct Open {
    reader: BufReader<TcpStream>,
}

impl Open {
    /// Sends these bytes.
    pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Open {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        // The server may refuse a request before it has read all of it.
        let _ = stream.write_all(request);
        Open { reader: BufReader::new(stream) }
    }

    /// The next line, head and framing of chunks included.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    /// Waits for a line that holds `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the answer ended without {text}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All of it.
    pub(crate) fn reply(mut self) -> Reply {
        let mut head = String::new();
        loop {
            let line = self.line();
            if line == "\r\n" || line.is_empty() {
                break;
            }
            head += &line;
        }
        let status = head.get(9..12).and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = Vec::new();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            loop {
                let size = usize::from_str_radix(self.line().trim(), 16).unwrap_or(0);
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk).unwrap();
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..size]);
            }
        } else {
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ")?.parse::<u64>().ok()
            });
            // A connection that is closed early has no body.
            let _ = self.reader.take(length.unwrap_or(0)).read_to_end(&mut body);
        }
        Reply { status, head, body: String::from_utf8(body).unwrap() }
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        text += "Host: localhost\r\n";
    }
    for header in headers {
        text += header;
        text += "\r\n";
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Reply {
    Open::send(address, &request(method, path, headers, body)).reply()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, "GET", path, &[], b"")
}

pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> Reply {
    send(address, "POST", path, &[], body.to_string().as_bytes())
}

pub(crate) fn begin(address: SocketAddr, path: &str, body: &Value) -> Open {
    Open::send(address, &request("POST", path, &[], body.to_string().as_bytes()))
}
