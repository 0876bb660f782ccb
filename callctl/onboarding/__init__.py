"""How a cluster gets to push: licence, voucher, onboarding, machine account."""
