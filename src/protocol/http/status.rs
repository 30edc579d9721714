//! Statuses of answers (RFC 9110, section 15; 429 and 431: RFC 6585).

/// A status code with its phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The three digits.
    pub code: u16,
    /// The first line of an answer, with its end.
    pub(super) line: &'static str,
}

impl Status {
    /// From here on the connection speaks another protocol.
    pub const SWITCHING_PROTOCOLS: Status = status(101, "HTTP/1.1 101 Switching Protocols\r\n");
    /// The answer has the content.
    pub const OK: Status = status(200, "HTTP/1.1 200 OK\r\n");
    /// The work was begun, and will be done later.
    pub const ACCEPTED: Status = status(202, "HTTP/1.1 202 Accepted\r\n");
    /// Done, without a body.
    pub const NO_CONTENT: Status = status(204, "HTTP/1.1 204 No Content\r\n");
    /// The client has the file already.
    pub const NOT_MODIFIED: Status = status(304, "HTTP/1.1 304 Not Modified\r\n");
    /// The request breaks a rule.
    pub const BAD_REQUEST: Status = status(400, "HTTP/1.1 400 Bad Request\r\n");
    /// The request needs a token, or a valid one.
    pub const UNAUTHORIZED: Status = status(401, "HTTP/1.1 401 Unauthorized\r\n");
    /// The client may not do this.
    pub const FORBIDDEN: Status = status(403, "HTTP/1.1 403 Forbidden\r\n");
    /// There is nothing at this path.
    pub const NOT_FOUND: Status = status(404, "HTTP/1.1 404 Not Found\r\n");
    /// The path does not have this method.
    pub const METHOD_NOT_ALLOWED: Status = status(405, "HTTP/1.1 405 Method Not Allowed\r\n");
    /// The request did not arrive in time.
    pub const REQUEST_TIMEOUT: Status = status(408, "HTTP/1.1 408 Request Timeout\r\n");
    /// The path is too long.
    pub const URI_TOO_LONG: Status = status(414, "HTTP/1.1 414 URI Too Long\r\n");
    /// The body is too long.
    pub const CONTENT_TOO_LARGE: Status = status(413, "HTTP/1.1 413 Content Too Large\r\n");
    /// The body has an unsupported type.
    pub const UNSUPPORTED_MEDIA: Status = status(415, "HTTP/1.1 415 Unsupported Media Type\r\n");
    /// `Expect` has an unsupported expectation.
    pub const EXPECTATION_FAILED: Status = status(417, "HTTP/1.1 417 Expectation Failed\r\n");
    /// The request contradicts an earlier one.
    pub const UNPROCESSABLE: Status = status(422, "HTTP/1.1 422 Unprocessable Content\r\n");
    /// The path needs another protocol.
    pub const UPGRADE_REQUIRED: Status = status(426, "HTTP/1.1 426 Upgrade Required\r\n");
    /// This client has used up its limit.
    pub const TOO_MANY_REQUESTS: Status = status(429, "HTTP/1.1 429 Too Many Requests\r\n");
    /// The request's head has too many bytes or fields.
    pub const HEAD_TOO_LONG: Status =
        status(431, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    /// The request needs a feature that is not implemented.
    pub const NOT_IMPLEMENTED: Status = status(501, "HTTP/1.1 501 Not Implemented\r\n");
    /// A limit is reached, or the relay drains.
    pub const SERVICE_UNAVAILABLE: Status = status(503, "HTTP/1.1 503 Service Unavailable\r\n");
    /// This version of HTTP is not supported.
    pub const HTTP_VERSION: Status = status(505, "HTTP/1.1 505 HTTP Version Not Supported\r\n");
}

const fn status(code: u16, line: &'static str) -> Status {
    Status { code, line }
}
