//! The limits of a listener: tonic and hyper leave most of them open.

use std::time::Duration;

use rand::Rng;

/// What a listener allows. Every default is meant for production.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time; further ones are closed at once. 10,000.
    pub connections_max: usize,
    /// Connections from one address at the same time, for IPv6 from one /64 network; further ones are closed at once.
    /// As many as there may be: the peers of a mesh are few.
    pub connections_per_address_max: usize,
    /// Connections that are still shaking hands; further ones wait until one is done or their own time is over. 256.
    pub handshakes_max: usize,
    /// From the accepted connection to its first request's protocol being known, handshake included. 5 seconds.
    pub handshake_timeout: Duration,
    /// For all headers of an HTTP/1.1 request, counted from the end of the one before. 30 seconds.
    pub header_read_timeout: Duration,
    /// How long a peer may take nothing of what it is sent before its connection is closed. 30 seconds.
    pub stall_timeout: Duration,
    /// How long a peer may keep the window of a stream shut before the stream is reset. 1 hour: peers of the mesh pause
    /// for their own clients, who have limits of their own.
    pub stream_stall_timeout: Duration,
    /// Streams of an HTTP/2 connection at the same time. 1,000.
    pub concurrent_streams_max: u32,
    /// Streams that may be reset by our side's errors before the connection is closed ("MadeYouReset"). 1,024.
    pub local_error_resets_max: usize,
    /// Streams that the peer reset before they were accepted ("rapid reset"). 20.
    pub pending_accept_resets_max: usize,
    /// Size of all headers of a request, in bytes. 16 KiB.
    pub header_list_bytes_max: u32,
    /// How much of one stream a peer may send ahead, in bytes. 1 MiB.
    pub stream_window_bytes: u32,
    /// How much of all streams a peer may send ahead, in bytes. 4 MiB: a stream that nobody reads must not block the
    /// others, so this is a multiple of the stream's window.
    pub connection_window_bytes: u32,
    /// How long a connection may live before its peer is asked to open another; spread by 10 % to both sides. 1 hour.
    pub connection_age_max: Duration,
    /// How long the calls of an aged connection may take to finish before it is closed. 1 hour.
    pub connection_age_grace: Duration,
    /// How long the calls of a peer that changed credentials distrust may take to finish. 500 milliseconds: enough for a
    /// peer that has just renewed its own to move, and not for much else.
    pub distrust_grace: Duration,
    /// How often to ask a silent HTTP/2 peer whether it is there. 30 seconds.
    pub keepalive_interval: Duration,
    /// How long to wait for its answer. 10 seconds.
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MEBIBYTE: u32 = 1024 * 1024;
        Self {
            connections_max: 10_000,
            connections_per_address_max: 10_000,
            handshakes_max: 256,
            handshake_timeout: Duration::from_secs(5),
            header_read_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            stream_stall_timeout: Duration::from_hours(1),
            concurrent_streams_max: 1_000,
            local_error_resets_max: 1_024,
            pending_accept_resets_max: 20,
            header_list_bytes_max: 16 * 1024,
            stream_window_bytes: MEBIBYTE,
            connection_window_bytes: 4 * MEBIBYTE,
            connection_age_max: Duration::from_hours(1),
            connection_age_grace: Duration::from_hours(1),
            distrust_grace: Duration::from_millis(500),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The age at which one connection is asked to go: spread, so that clients that came together do not leave together.
    pub(super) fn connection_age(&self, random: &mut impl Rng) -> Duration {
        self.connection_age_max.mul_f64(random.random_range(0.9..=1.1))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn ages_are_spread_by_a_tenth() {
        let mut random = StdRng::seed_from_u64(7);
        let limits = Limits::default();
        let ages: Vec<Duration> = (0..1000).map(|_| limits.connection_age(&mut random)).collect();
        let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least >= limits.connection_age_max.mul_f64(0.9) && *least < limits.connection_age_max.mul_f64(0.92));
        assert!(*most <= limits.connection_age_max.mul_f64(1.1) && *most > limits.connection_age_max.mul_f64(1.08));
    }
}
