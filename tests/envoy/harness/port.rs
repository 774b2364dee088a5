//! Ports that a test knows before a process listens on them.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port on which nobody listens, and that the system gives to nobody else. A server or an Envoy
/// can bind it later, since both sides allow that (`SO_REUSEADDR`, `SO_REUSEPORT`).
pub(crate) fn reserved() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of sockets");
    socket.set_reuseport(true).expect("an option of sockets");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}
