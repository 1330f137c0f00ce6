//! Destinations from outside: what reaches a partner, in which order, and what is known of it afterwards.

mod bed;
mod partner;

mod crash;
mod delivers;
mod fails;
mod filters;
mod loopback;
mod refuses;
mod switches;
