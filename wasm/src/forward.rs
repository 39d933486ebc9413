//! A frame's way from the port it came in at to the one it leaves by.

use crate::core::{Core, Frame};
use crate::counters::{Io, Reason};
use crate::header::Template;
use crate::port::{Forwarder, Port};
use crate::transmit::{Leaving, Span};

impl Core {
    /// A frame of a session is in order: counts it and passes it on.
    #[inline]
    pub fn deliver(&mut self, session: u32, frame: Frame) {
        let forwarder = self.sessions.rx[session].deliver(frame.len());
        self.forward(forwarder, frame);
    }

    /// Passes a frame to where `forwarder` says.
    #[inline]
    pub fn forward(&mut self, forwarder: Forwarder, frame: Frame) {
        match forwarder {
            Forwarder::CrossConnect(Port::Session(at)) => self.send(at, frame),
            Forwarder::CrossConnect(Port::Device(at)) => self.transmit.write(at, frame.bytes()),
            Forwarder::CrossConnect(Port::Host(at)) => self.punt_frame(at, frame),
            Forwarder::None => self.drop_frame(Reason::NoForwarder),
        }
    }

    fn punt_frame(&mut self, host: u32, frame: Frame) {
        if self.punts.frame(self.hosts.handle(host), frame.bytes()) {
            self.io.add(Io::PuntedFrames, 1);
        } else {
            self.drop_frame(Reason::HostQueueFull);
        }
    }

    /// Lets a frame leave by a session: with its header right before it where there is room, else elsewhere.
    #[inline]
    fn send(&mut self, session: u32, frame: Frame) {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[session];
        let tunnel = &mut tunnels[tx.tunnel];
        tx.packets += 1;
        tx.bytes += frame.len() as u64;
        let length = tx.template.len();
        let header = length as u32;
        let Frame { buffer, floor, start } = frame;
        // All the template's room before the frame (most frames), just the header's, or neither.
        let datagram = if let Some(room) = buffer[floor..start].last_chunk_mut() {
            tx.template.write(room, &mut tx.ns);
            Leaving::new(session, header, Span::default(), Span::from(buffer, start - length))
        } else if start - floor >= length {
            let mut room = [0; Template::ROOM];
            tx.template.write(&mut room, &mut tx.ns);
            buffer[start - length..start].copy_from_slice(&room[Template::ROOM - length..]);
            Leaving::new(session, header, Span::default(), Span::from(buffer, start - length))
        } else {
            let room = transmit.header();
            tx.template.write(room, &mut tx.ns);
            let head = Span::from(room, Template::ROOM - length);
            Leaving::new(session, header, head, Span::from(buffer, start))
        };
        transmit.send(tx, tunnel, datagram);
    }
}
