"""Background work that outlives the request that asked for it: asked, claimed, worked on and ended through one table."""
