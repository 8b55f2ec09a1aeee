double another_function(double length) { return length; }
