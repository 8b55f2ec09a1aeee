double dock_ship(double length) { return 2 * length; }
