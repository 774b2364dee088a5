

clearRouteCache 

servers2
*

namea