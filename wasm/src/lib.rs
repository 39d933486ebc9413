//! The datapath of isthmus, compiled to WASM: L2TP data sessions between batches of system calls.
//!
//! The caller fills receive slots by `recvmmsg` or `read`, hands them in, calls [`datapath::Datapath::pump`] until it
//! gives 0, and each time makes the system calls that it laid out. All packet memory and all structures that the kernel
//! reads lie in this module's memory; nothing here makes a system call or asks for the time.
//!
//! `unsafe` is not needed: the kernel's structures hold addresses as plain integers, and packets are slices.

pub mod abi;
pub mod api;
pub mod budget;
pub mod checksum;
pub mod core;
pub mod counters;
pub mod datapath;
pub mod early;
pub mod egress;
pub mod fdb;
pub mod forward;
pub mod frame;
pub mod header;
pub mod headers;
pub mod ingress;
pub mod inside;
pub mod joining;
pub mod leaving;
pub mod loops;
pub mod manage;
pub mod manage_switch;
pub mod offload;
pub mod outcome;
pub mod policy;
pub mod port;
pub mod ppp;
pub mod pppoe;
pub mod punt;
pub mod receive;
pub mod relink;
pub mod reorder;
pub mod sequence;
pub mod sequencing;
pub mod session;
pub mod slab;
pub mod split;
pub mod switch;
pub mod table;
pub mod template;
pub mod transmit;
pub mod tunnel;
pub mod twins;
pub mod vlan;
pub mod window;
