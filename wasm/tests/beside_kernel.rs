//! What a session without a reorder timeout delivers, beside what the Linux kernel's L2TP would of the same numbers. Where
//! the two differ, they do so on purpose. The kernel's rules are those of `l2tp_recv_data_seq`, said in our words; its
//! dealing with lost frames is also seen of a real one (`tests/interop/reorder_test.ts`).

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::header::{V3_NUMBERS, Version};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Lab, incoming, v3};

/// The kernel's receiver: begins at 0, takes what is expected, and follows the peer elsewhere after five frames in a row
/// that were in order among themselves. What lies in the half of the numbers before the expected one never counts.
#[derive(Default)]
struct Kernel {
    expected: u32,
    last_odd: u32,
    odd_run: u32,
}

impl Kernel {
    fn takes(&mut self, ns: u32) -> bool {
        if ns.wrapping_sub(self.expected) & V3_NUMBERS >= V3_NUMBERS / 2 {
            return false;
        }
        if ns != self.expected {
            let follows = ns == (self.last_odd + 1) & V3_NUMBERS;
            self.odd_run = if follows { self.odd_run + 1 } else { 0 };
            self.last_odd = ns;
            if self.odd_run <= 4 {
                return false;
            }
        }
        self.expected = (ns + 1) & V3_NUMBERS;
        true
    }
}

fn ours(numbers: &[u32]) -> Vec<u32> {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let session = lab.session(tunnel, 1, Options { l2spec: true, peer_l2spec: true, ..Options::default() });
    let host = lab.datapath.core.add_host_port(FrameType::Ppp).unwrap();
    lab.datapath.core.cross_connect(session, host).unwrap();
    for ns in numbers {
        lab.receive(socket, &[incoming(v3(1, &[], Some(*ns), &ns.to_be_bytes()))], 0);
        lab.run();
    }
    lab.punted().iter().map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap())).collect()
}

fn kernels(numbers: &[u32]) -> Vec<u32> {
    let mut kernel = Kernel::default();
    numbers.iter().copied().filter(|ns| kernel.takes(*ns)).collect()
}

/// Stretches of numbers, one after the other.
fn all(stretches: &[std::ops::Range<u32>]) -> Vec<u32> {
    stretches.iter().cloned().flatten().collect()
}

#[test]
fn lost_frames_cost_us_none_and_the_kernel_five() {
    let sent = all(&[0..10, 12..30]);
    assert_eq!(ours(&sent), sent);
    assert_eq!(kernels(&sent), all(&[0..10, 17..30]));
}

#[test]
fn repeated_frames_and_strays_are_delivered_by_neither() {
    let repeated = all(&[0..30, 10..22, 30..40]);
    let stray = all(&[0..10, 5000..5001, 10..40]);
    for sent in [repeated, stray] {
        assert_eq!(ours(&sent), all(&[0..40]));
        assert_eq!(kernels(&sent), all(&[0..40]));
    }
}

#[test]
fn a_peer_that_begins_anew_is_followed_by_us_and_not_by_the_kernel() {
    let sent = all(&[0..100, 0..50]);
    assert_eq!(ours(&sent), all(&[0..100, 31..50]));
    assert_eq!(kernels(&sent), all(&[0..100]));
}

#[test]
fn a_peer_may_begin_in_the_upper_half_with_us_and_not_with_the_kernel() {
    let sent = all(&[0xff_ff00..0xff_ff20]);
    assert_eq!(ours(&sent), sent);
    assert_eq!(kernels(&sent), []);
}
