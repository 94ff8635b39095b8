"""Routers and announcers of others in hosts of the lab, and a raw peer: what mlbd is tried against over BGP."""
