//! A frame's way from the port it came in at to the one it leaves by.

use crate::core::{Core, Frame};
use crate::counters::{Io, Reason};
use crate::port::{Forwarder, Port};
use crate::transmit::Span;

impl Core {
    /// A frame of a session is in order: counts it and passes it on.
    #[inline]
    pub fn deliver(&mut self, session: u32, frame: Frame) {
        let rx = &mut self.sessions[session].rx;
        rx.packets += 1;
        rx.bytes += frame.len() as u64;
        let forwarder = rx.forwarder;
        self.forward(forwarder, frame);
    }

    /// Passes a frame to where `forwarder` says.
    #[inline]
    pub fn forward(&mut self, forwarder: Forwarder, frame: Frame) {
        match forwarder {
            Forwarder::None => self.drop_frame(Reason::NoForwarder),
            Forwarder::CrossConnect(Port::Session(at)) => self.send(at, frame),
            Forwarder::CrossConnect(Port::Device(at)) => {
                self.io.one(Io::TxFrames);
                self.transmit.write(at, Span::of(frame.bytes()));
            }
            Forwarder::CrossConnect(Port::Host(at)) => {
                let queued = self.punts.frame(self.hosts.handle(at), frame.bytes());
                if queued {
                    self.io.one(Io::PuntedFrames);
                } else {
                    self.drop_frame(Reason::HostQueueFull);
                }
            }
        }
    }

    /// Lets a frame leave by a session: with its header right before it where there is room, else elsewhere.
    #[inline]
    fn send(&mut self, session: u32, frame: Frame) {
        let tx = &mut self.sessions[session].tx;
        let tunnel = &mut self.tunnels[tx.tunnel];
        tx.packets += 1;
        tx.bytes += frame.len() as u64;
        self.io.one(Io::TxSegments);
        let length = tx.template.len();
        let head = if frame.start - frame.floor >= length {
            let head = &mut frame.buffer[frame.start - length..frame.start];
            tx.template.write(head, &mut tx.ns);
            Span::of(head)
        } else {
            let head = self.transmit.header(length);
            tx.template.write(head, &mut tx.ns);
            Span::of(head)
        };
        self.transmit.send(session, tx, tunnel, head, Span::of(frame.bytes()));
    }
}
